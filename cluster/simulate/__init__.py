"""Discrete-event simulation of a fleet: arrivals, router, batching engines, cold starts, autoscaling, failures.

:mod:`cluster.simulate.engine` is one replica, :mod:`cluster.simulate.pool` the replicas of a model,
:mod:`cluster.simulate.run` the events of all of them. What a step takes is :mod:`cluster.latency`'s; how many replicas
there should be is :mod:`cluster.autoscale`'s, the same code that a running fleet asks.
"""
