"""The Composed dataset, and the clip of the demo."""
