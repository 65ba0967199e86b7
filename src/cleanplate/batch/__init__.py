"""Many shots with one command."""
