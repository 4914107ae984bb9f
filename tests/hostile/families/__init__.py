"""The attacks, a file for each family."""

from tests.hostile.families import (
    addresses,
    files,
    keys,
    matrix,
    replies,
    results,
    schemas,
    screens,
    specs,
    tables,
    templates,
    writing,
)  # fmt: skip

_FAMILIES = (files, templates, matrix, specs, schemas, writing, keys, addresses, tables, results, screens, replies)
ATTACKS = tuple(attack for family in _FAMILIES for attack in family.ATTACKS)
