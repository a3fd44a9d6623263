"""A router trained on your own labels: which prompts gain by the strong model. numpy only; no torch, network or GPU.

Start at :mod:`router.learn.model`; :mod:`router.learn.scorer` is what the gateway asks, ``python -m router.learn`` what
people do.
"""
