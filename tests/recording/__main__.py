"""`python -m tests.recording PROVIDER [FOLDER]`: what `make generate-test-data-PROVIDER` runs."""

from __future__ import annotations

import asyncio
import sys

from tests.recording.cases import CLASSES
from tests.recording.record import RECORDED, record

from throughster.errors import ThroughsterError


def main(arguments):
    if not 1 <= len(arguments) <= 2 or arguments[0] not in CLASSES:
        sys.exit(f"usage: python -m tests.recording {'|'.join(CLASSES)} [FOLDER]")
    try:
        files = asyncio.run(record(arguments[0], arguments[1] if len(arguments) == 2 else RECORDED))
    except ThroughsterError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"{len(files)} replies in {files[0].parent}\n")


main(sys.argv[1:])
