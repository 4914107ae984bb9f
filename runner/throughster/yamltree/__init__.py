"""YAML text -> a tree that knows where everything stands. Data only, bounded, and read by the rules of YAML 1.2."""

from __future__ import annotations

from throughster.yamltree.parse import parse_yaml
from throughster.yamltree.scalars import WrittenFloat, WrittenInt, keep_text, plain_numbers, resolve_scalar
from throughster.yamltree.tree import Document, Mapping, Mark, Node, Path, Scalar, Sequence, Span

__all__ = [
    "Document",
    "Mapping",
    "Mark",
    "Node",
    "Path",
    "Scalar",
    "Sequence",
    "Span",
    "WrittenFloat",
    "WrittenInt",
    "keep_text",
    "parse_yaml",
    "plain_numbers",
    "resolve_scalar",
]
