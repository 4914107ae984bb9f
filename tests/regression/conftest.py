"""Results files, written as a run would, from how often each case passed."""

from __future__ import annotations

import pytest
from tests.regression.lines import result_line


@pytest.fixture
def results(tmp_path):
    """`results("a.jsonl", [(5, 5), (4, 5)])`: a file of cases that passed so many of so many repeats; gives its path.

    `fields(row, repeat)`: what its lines have beside that.
    """

    def write(name, tallies, fields=lambda row, repeat: {}):
        path = tmp_path / name
        with path.open("wb") as file:
            for row, (passed, repeats) in enumerate(tallies):
                for repeat in range(repeats):
                    status = "ok" if repeat < passed else "failed"
                    file.write(result_line(row, repeat, **{"status": status, **fields(row, repeat)}))
        return path

    return write
