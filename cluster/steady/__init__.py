"""What a replica's callers wait for under a steady load, in closed form: for planning thousands of cases in seconds.

``Work`` asks an :class:`~cluster.latency.timing.EngineTiming` a few dozen times, ``State`` is the queueing arithmetic
on top, ``capacity`` the highest load that holds a promise. The simulator answers the same questions request by request;
tests hold the two against each other, ``docs/plan.md`` has the figures.
"""

from cluster.steady.capacity import Attained, Capacity, attained, capacity, in_time, percentile
from cluster.steady.state import State
from cluster.steady.work import Slower, Work

__all__ = ["Attained", "Capacity", "Slower", "State", "Work", "attained", "capacity", "in_time", "percentile"]
