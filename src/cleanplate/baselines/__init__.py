"""Methods to compare with. Add one to fillers.py or a file of its own, to `fillers.BASELINES`, and its name here."""

NAMES = ("telea", "navier-stokes", "temporal-median", "newson")
"""In the order of the tables' rows; no torch is needed to know them."""
