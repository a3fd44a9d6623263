"""GPUs and models as facts: ``gpus.csv`` and ``models.csv``, a source in every row, and any ``config.json``.

Start with :func:`cluster.catalog.gpus.gpu` and :func:`cluster.catalog.models.architecture`. A figure whose source says
"from memory" was not found in a second place yet. What follows from the facts is :mod:`cluster.memory`'s and
:mod:`cluster.latency`'s.
"""
