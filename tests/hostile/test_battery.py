"""The battery: every attack is laid out, run, and must lose. `python -m tests.hostile` prints them by family."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.hostile.attack import lost
from tests.hostile.families import ATTACKS
from tests.hostile.runs import run


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
def test_the_attack_wins_nothing(attack, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    outcome = run(attack, folder)
    assert lost(attack, outcome, folder, most_cpu_s=6.0) == []  # a busy machine counts more; `python -m` holds 2


def test_there_are_three_hundred_attacks_in_twelve_families():
    families = Counter(attack.family for attack in ATTACKS)
    assert families.total() >= 300
    assert len(families) >= 12
    assert families.total() == len({attack.id for attack in ATTACKS})
