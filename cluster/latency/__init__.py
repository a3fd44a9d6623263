"""How long engines take; start with :mod:`cluster.latency.timing`."""
