"""Seeded measurements: `python -m benchmarks carry --data DIR`."""

import cleanplate  # noqa: F401 - before torch, to say how torch's threads are to wait
