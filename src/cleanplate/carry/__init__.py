"""Carry hidden pixels in from the frames that show them.

In the order of the method: `rounds.py` is the page to begin with.

| file | what it does |
|---|---|
| `rounds.py` | find effects, then link, follow and fuse, as often as there are rounds |
| `linking.py`, `matches.py` | the motion between neighbours, measured at points |
| `motion.py`, `cuts.py` | that motion completed in the hole; still cameras; cuts |
| `trajectories.py` | follow hidden pixels until a frame shows them |
| `colours.py`, `fuse.py` | take its colours, and fill them |
| `refine.py` | correct the motion by what past and future show of the same place |
| `effects.py` | the stage that makes hole of effects, and what becomes of them at the end |
| `suspects.py`, `belonging.py` | look for what belongs to the thing, up to four times; judge whether it does |
| `crumbs.py` | what is too thin for these, a pixel or two beside a hole |
| `scenery.py` | give back what parallax moves |
| `evidence.py`, `shade.py` | how much a frame contradicts the others; a shadow that nobody can be asked about |
| `light.py` | compiled loops that tell how much light is missing |
| `consensus.py`, `scene.py` | what many frames agree on; where a place is in each of them |
| `gather.py`, `shapes.py` | compiled loops that read frames at such places; masks |
| `vote.py` | what most frames contradict is taken from another |
| `journal.py` | what was done, for a run that goes on |
"""
