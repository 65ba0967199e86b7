"""The commands, a file for each: their options as a dataclass, and what they run.

Those of whole wings are in these: `batch/command.py`, `studio/command.py`. A new command is a class here, and a name in
`cli.COMMANDS`; no torch is imported until it runs.
"""
