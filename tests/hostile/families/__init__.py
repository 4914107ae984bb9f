"""The attacks, a file for each family."""

from tests.hostile.families import files, templates

ATTACKS = (*files.ATTACKS, *templates.ATTACKS)
