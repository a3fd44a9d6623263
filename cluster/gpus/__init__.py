"""The GPUs of this machine: what they do, whether they are well, and when one must not be used any more.

:mod:`cluster.gpus.facts` is what is known, :mod:`cluster.gpus.nvml` asks the driver (the only importer of ``pynvml``),
and :mod:`cluster.gpus.verdict` judges, purely.
"""

from cluster.gpus.facts import Gpu, GpuProcess, Machine, Mig
from cluster.gpus.nvml import Nvml
from cluster.gpus.verdict import FATAL_XIDS, Cause, condemned

__all__ = ["FATAL_XIDS", "Cause", "Gpu", "GpuProcess", "Machine", "Mig", "Nvml", "condemned"]
