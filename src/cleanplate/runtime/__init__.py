"""How work is run, saved and ended: threads, processes, whole-or-nothing files, checkpoints, records, interrupts."""
