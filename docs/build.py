"""Writes every page and picture that is made from the program: `make docs`."""

from docs import outputs, pictures, reference, schema, values

if __name__ == "__main__":
    for part in (reference, schema, values, pictures, outputs):
        part.build()
