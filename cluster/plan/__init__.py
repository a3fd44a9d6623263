"""Traffic and promises in; GPUs, replicas, dollars, and what to expect out. ``freehold plan`` prints it.

:mod:`.setups` lists what a model could run on, :mod:`.options` asks how much each takes with a :mod:`.margin`,
:mod:`.sizing` turns that into replicas and dollars, :mod:`.search` puts the tiers together. :mod:`.outlook` asks what
would break it, :mod:`.compare` what else it could cost, :mod:`.nearest` what is left where nothing holds. One
:class:`~cluster.plan.report.Report` has everything that is printed, drawn (:mod:`.page`) or written (:mod:`.apply`).
"""
