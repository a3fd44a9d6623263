"""The GPUs of a cluster: which nodes have them, what is free now, and what would fit; start with ``inventory``."""
