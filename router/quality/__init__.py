"""The quality loop: a share of local answers is asked of a better model too, judged blind, and kept as labels.

Start at :mod:`router.quality.loop`. Everything here happens after the caller has had its answer, and may be dropped.
"""
