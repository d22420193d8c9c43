"""Benchmarks: `python -m bench` sets the kernels beside their peers and the core's limits."""
