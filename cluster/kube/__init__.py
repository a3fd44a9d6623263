"""Kubernetes: the chart's values as nouns, and how a fleet file becomes them; start with :mod:`cluster.kube.values`."""
