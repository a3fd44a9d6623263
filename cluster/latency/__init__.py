"""How long engines take, and how sure that is.

* One replica of a fleet's model: ``timing_of(model)`` in :mod:`.replica` gives the
  :class:`~cluster.latency.timing.EngineTiming` that planner, simulator and simulated engine share. Tiny models on
  ``cpu`` too. What ``freehold calibrate`` kept in ``FREEHOLD_HOME`` is applied.
* A candidate of a search: ``timing_for(replica_of(model, on="L40S", tp=2, stored_as="fp8"))``, or from the catalogue
  alone ``timing_for(plain(architecture("llama-3.1-70b"), gpu("H100"), quant("fp8"), tp=4))``; half a millisecond for a
  new one, ``step_s`` half a microsecond. ``learned(replica).careful`` is the factor on step times that plans are sized
  with; ``cluster.memory.budget(replica)`` tells what fits, without any timing.
* A figure that a benchmark would report: ``predict(read(row))`` in :mod:`.predict`.

Bottom up: :mod:`.roofline` and :mod:`.overheads` make a step, :mod:`.load` makes latencies of steps, :mod:`.features`
and :mod:`.residual` correct them by what was measured, :mod:`.calibration` by what one's own hardware measures.
Where the catalogue has no figures :class:`~cluster.errors.CatalogError` names the field and the nearest names.
"""
