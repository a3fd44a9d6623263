"""What runs beside the GPU: Ray Serve applications with vLLM engines, started as ``python -m serving``.

Meets the router over HTTP only; sees of :mod:`cluster` only the nouns.
"""
