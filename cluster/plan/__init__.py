"""Traffic and promises in; GPUs, replicas, dollars, and what to expect out. ``freehold plan`` prints it.

:mod:`.setups` lists what a model could run on, :mod:`.options` asks how much each takes, :mod:`.sizing` turns that into
replicas and dollars, :mod:`.search` puts the tiers together, :mod:`.outlook` asks what would change it. One
:class:`~cluster.plan.report.Report` holds everything that is printed, drawn or written to the fleet file.
"""
