"""How long engines take, and how sure that is.

* One replica of a fleet's model: ``timing_of(model)`` in :mod:`.replica` gives the
  :class:`~cluster.latency.timing.EngineTiming` that planner, simulator and simulated engine share. Tiny models on
  ``cpu`` too.
* A candidate of a search: ``timing_for(replica_of(model, on="L40S", tp=2, stored_as="fp8"))``, or from the catalogue
  alone ``timing_for(plain(architecture("llama-3.1-70b"), gpu("H100"), quant("fp8"), tp=4))``. Building one costs some
  20 microseconds, ``step_s`` one. ``cluster.memory.budget(replica)`` tells what fits without timing.

Where the catalogue has no figures :class:`~cluster.errors.CatalogError` names the field and the nearest names.
"""
