"""`python -m tests.hostile [NAME ...]`: runs the attacks (whose name holds one of these) and prints a table."""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.hostile.attack import lost
from tests.hostile.families import ATTACKS
from tests.hostile.runs import run


def main(names: list[str]) -> int:
    """Return 1 where an attack won."""
    table: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0, 0])
    for attack in ATTACKS:
        if names and not any(name in attack.id for name in names):
            continue
        with tempfile.TemporaryDirectory(prefix="hostile-") as parent:
            folder = Path(parent) / "project"
            folder.mkdir()
            outcome = run(attack, folder)
            won = lost(attack, outcome, folder)
        line = table[attack.family]
        line[0] += 1
        line[1] += bool(won)
        line[2] = max(line[2], outcome.cpu_s)
        line[3] = max(line[3], outcome.memory)
        if won or names:
            print(
                f"{'WON ' if won else 'lost'} {attack.id}: {outcome.cpu_s:.2f} s, {outcome.memory / 1e6:.0f} MB: {'; '.join(won)}"
            )
            print("     " + "\n     ".join(line[:300] for line in outcome.text.splitlines()[:12]))
    print(f"{'family':14} attacks  won  most CPU  most memory")
    for family, (count, won_count, cpu_s, memory) in sorted(table.items()):
        print(f"{family:14} {count:7.0f} {won_count:4.0f} {cpu_s:7.2f} s {memory / 1e6:8.0f} MB")
    total = [sum(line[n] for line in table.values()) for n in (0, 1)]
    print(f"{'all':14} {total[0]:7.0f} {total[1]:4.0f}")
    return int(total[1] > 0)


sys.exit(main(sys.argv[1:]))
