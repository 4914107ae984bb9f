"""How much may be sent, and when: concurrency, requests and tokens per minute, outages, budgets."""

from throughster.limits.admission import Admission, Ticket
from throughster.limits.budget import Budget
from throughster.limits.endpoint import Endpoint, shared_endpoint, take_share
from throughster.limits.estimate import Estimator
from throughster.limits.gate import Gate
from throughster.limits.rate import Rate
from throughster.limits.watch import Watch

__all__ = [
    "Admission",
    "Budget",
    "Endpoint",
    "Estimator",
    "Gate",
    "Rate",
    "Ticket",
    "Watch",
    "shared_endpoint",
    "take_share",
]
