"""Carry hidden pixels in from the frames that show them."""
