"""Seeded measurements: `python -m benchmarks carry --data DIR`."""
