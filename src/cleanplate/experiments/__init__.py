"""The paper's tables and figures, at any scale.

plan.py       which cells (method x clip x seed) a table or figure needs, and how large they are at each scale
make.py       make the picture of one cell
cells.py      run one cell: make, measure, and the line that is recorded
run.py        run many, here or on Ray
results.py    the lines, results.jsonl
sources.py    which code a line depends on: when it does not count any more
report.py     tables
figures.py    figures
features.py   Fig. 9
reproduce.py  all of it, for the command `reproduce`
"""
