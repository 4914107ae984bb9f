"""The commands, as in the tests of the command line; and a browser where the machine has one."""

from __future__ import annotations

import pytest
from tests.cli.conftest import command, here
from tests.reports.chromium import Chromium, program

__all__ = ["browser", "command", "here"]


@pytest.fixture(scope="module")
def browser():
    path = program()
    if path is None:
        pytest.skip("there is no Chromium on this machine (apt install chromium, or THROUGHSTER_TEST_BROWSER=PATH)")
    started = Chromium(path)
    yield started
    started.close()
