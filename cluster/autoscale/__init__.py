"""How many replicas there should be: one policy, asked by the simulator and by Ray Serve alike.

No clock and no I/O: what is seen comes in as :class:`Observed`, with its time; a number of replicas goes out. Start
with :mod:`cluster.autoscale.slo`; :mod:`cluster.autoscale.ongoing` is Ray Serve's own policy, for comparison.
"""

from cluster.autoscale.observed import Observed, Scaler

__all__ = ["Observed", "Scaler"]
