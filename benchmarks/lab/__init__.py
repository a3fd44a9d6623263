"""What the speed benchmarks share: a do-nothing engine, peers, load, probes and the report."""
