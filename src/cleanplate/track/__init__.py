"""Tracking: from a mark on a frame or two to a mask on every frame."""
