"""Where the keys and values of a TOML file are, by their path in the document."""

import tomllib
from dataclasses import dataclass

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Path = tuple[str | int, ...]
"""Keys of tables and indices of lists, from the top of a document."""


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """A line and a column, both from 1; columns count characters."""

    line: int
    column: int


def position_at(content: bytes, index: int) -> Position:
    """Where a byte of a file is."""
    before = content[:index]
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    return Position(before.count(b"\n") + 1, column)


class Positions:
    """The positions in a document that :mod:`tomllib` can read, found by tree-sitter's grammar.

    A path that is not found, because it is not in the document or its part of the text is not
    understood, has the position of what contains it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._lines = content.split(b"\n")
        self._keys: dict[Path, Node] = {}
        self._values: dict[Path, Node] = {}
        self._tables: dict[Path, int] = {}
        """How many tables the arrays of tables have so far."""
        self._read()

    def of_key(self, path: Path) -> Position:
        """Where the key at the end of a path is; where it has none, its value."""
        return self._nearest(path, self._values | self._keys)

    def of_value(self, path: Path, offset: int = 0) -> Position:
        """Where a value is; ``offset`` is that of a character in a text on one line."""
        node = self._values.get(path)
        if node is None:
            return self._nearest(path, self._keys)
        place = self._position(node)
        if offset and self._text(node)[:1] in "\"'":
            return Position(place.line, place.column + 1 + offset)
        return place

    def _nearest(self, path: Path, nodes: dict[Path, Node]) -> Position:
        for length in range(len(path), 0, -1):
            node = nodes.get(path[:length]) or self._values.get(path[:length])
            if node is not None:
                return self._position(node)
        return Position(1, 1)

    def _position(self, node: Node) -> Position:
        row, column = node.start_point
        return Position(row + 1, len(self._lines[row][:column].decode(errors="replace")) + 1)

    def _text(self, node: Node) -> str:
        return self._content[node.start_byte : node.end_byte].decode(errors="replace")

    def _read(self) -> None:
        root = Parser(Language(tree_sitter_toml.language())).parse(self._content).root_node
        for node in root.named_children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def _table(self, node: Node) -> None:
        header, *pairs = _children(node)
        path: Path = ()
        for key in self._names(header):
            path = (*path, key)
            self._keys.setdefault(path, node)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        if node.type == "table_array_element":
            if path and isinstance(path[-1], int):
                path = path[:-1]
            index = self._tables.get(path, 0)
            self._tables[path] = index + 1
            path = (*path, index)
        self._values.setdefault(path, node)
        for pair in pairs:
            self._pair(pair, path)

    def _pair(self, node: Node, prefix: Path) -> None:
        children = _children(node)
        if node.type != "pair" or len(children) != 2:
            return
        key, value = children
        path = prefix
        for name in self._names(key):
            path = (*path, name)
            self._keys.setdefault(path, key)
        self._value(value, path)

    def _value(self, node: Node, path: Path) -> None:
        self._values[path] = node
        if node.type == "array":
            for index, child in enumerate(_children(node)):
                self._value(child, (*path, index))
        elif node.type == "inline_table":
            for child in _children(node):
                self._pair(child, path)

    def _names(self, key: Node) -> list[str]:
        """The parts of a key, which may be quoted and dotted."""
        names = []
        try:
            table = tomllib.loads(f"{self._text(key)} = 0")
        except tomllib.TOMLDecodeError:
            return []
        while isinstance(table, dict):
            ((name, table),) = table.items()
            names.append(name)
        return names


def _children(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]
