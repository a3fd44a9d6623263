"""How much is asked when: a fleet's ``traffic`` → requests per second for each hour of a week, and seeded arrivals.

Start with :mod:`cluster.demand.week`. What it costs and what it takes is decided above, in ``cost`` and ``plan``.
"""

from cluster.demand.arrivals import Arrivals, arrivals, replay
from cluster.demand.lengths import LogNormals, Mix, Requests
from cluster.demand.trace import Trace, read_trace
from cluster.demand.week import HOURS, Demand, demand_of

__all__ = [
    "HOURS",
    "Arrivals",
    "Demand",
    "LogNormals",
    "Mix",
    "Requests",
    "Trace",
    "arrivals",
    "demand_of",
    "read_trace",
    "replay",
]
