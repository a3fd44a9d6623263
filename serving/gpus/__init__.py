"""The agent beside the GPUs: ``python -m serving.gpus`` tells Prometheus of them and takes replicas off condemned ones.

It sees the whole machine, so one runs on each, next to engines and not in them. :mod:`cluster.gpus` asks and judges.
"""
