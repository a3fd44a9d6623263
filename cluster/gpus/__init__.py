"""The GPUs of this machine: what they do, whether they are well, and when one must not be used any more.

:mod:`cluster.gpus.facts` is what is known, :mod:`cluster.gpus.nvml` asks the driver (the only importer of ``pynvml``;
imported only where it is asked, for that takes a tenth of a second), and :mod:`cluster.gpus.verdict` judges, purely.
"""
