"""A short run of each target of the fuzz, always with the same inputs; `make fuzz` looks for new ones."""

from __future__ import annotations

import pytest
from tests.hostile.fuzz import TARGETS, fuzz


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_fuzz(name):
    fuzz(name, 400)
