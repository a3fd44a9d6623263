"""From a fleet file to a release that is ready: what it wants, whether the cluster has it, Helm, and the wait."""
