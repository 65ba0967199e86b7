"""The commands, a file for each: their options, and what they run."""
