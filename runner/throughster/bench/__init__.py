"""The throughput of an endpoint, over numbers of workers."""

from throughster.bench.figures import Bench, Step
from throughster.bench.measure import Load, measure
from throughster.bench.tables import comparison_markdown, markdown

__all__ = ["Bench", "Load", "Step", "comparison_markdown", "markdown", "measure"]
