"""`python -m throughster`, the same as `throughster`."""

from __future__ import annotations

from throughster.cli import main

if __name__ == "__main__":
    main()
