"""Files of other prompt runners as specs, with a list of what could not be carried over."""

from __future__ import annotations

from throughster.convert.converting import Conversion, check_written, convert, find_sources, write_drafts
from throughster.convert.losses import Loss, Place

__all__ = ["Conversion", "Loss", "Place", "check_written", "convert", "find_sources", "write_drafts"]
