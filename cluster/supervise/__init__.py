"""A fleet on this machine: what starts it, watches it, and takes every trace of it away again.

Processes are started by name (``python -m serving``, ``python -m router``) and found again by the environment variable
``FREEHOLD_RUN`` that all of them inherit, so that a fleet can be taken down even after its supervisor was killed.
"""
