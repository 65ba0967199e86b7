"""The paper's tables and figures, at any scale: `plan` says what to run, `run` runs it, the others show it."""
