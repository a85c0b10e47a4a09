"""Writes every page and picture that is made from the program: `make docs`."""

from docs import model_reference, outputs, pictures, reference, schema, shipped, values

if __name__ == "__main__":
    for part in (reference, schema, values, model_reference, shipped, pictures, outputs):
        part.build()
