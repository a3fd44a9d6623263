"""A month's report for whoever signs: the gateway's facts in, sections as markdown or as one HTML page out. Pure.

:mod:`.facts` is what ``GET /admin/report`` tells, :mod:`.money` whole millionths of a dollar as dollars and cents.
:mod:`.shares` has what stayed on the site and ``sovereignty``; :mod:`.hours` replicas, GPUs and what they cost;
:mod:`.load` the month as a demand that :mod:`cluster.plan` can plan for, :mod:`.baselines` what it would have cost
elsewhere, :mod:`.advice` what to change next. :mod:`.report` puts them together, :mod:`.sections` says it in words,
:mod:`.drawn` draws it.
"""
