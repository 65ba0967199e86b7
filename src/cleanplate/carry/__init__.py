"""Carry hidden pixels in from the frames that show them.

In the order of the method: `rounds.py` is the page to begin with.

| file | what it does |
|---|---|
| `rounds.py` | find effects, then link, follow and fuse, as often as there are rounds |
| `linking.py`, `motion.py`, `cuts.py` | the motion between neighbours, completed in the hole; still cameras; cuts |
| `trajectories.py`, `fuse.py` | follow hidden pixels until a frame shows them; fill them with what it shows |
| `effects.py` | the stage that makes hole of effects, and what becomes of them at the end |
| `suspects.py`, `evidence.py` | what belongs to the thing; how much a frame contradicts the others |
| `consensus.py`, `scene.py`, `shapes.py` | what many frames agree on; where a place is in each of them; masks |
| `vote.py` | what most frames contradict is taken from another |
| `journal.py` | what was done, for a run that goes on |
"""
