"""Video-to-video synthesis (Wang et al. 2018, the [42] of Table 2), reduced to inpainting and to what a CPU can train.

network.py   the generator, and how it makes one frame after the other
weights.py   the file that a trained one is kept in
fill.py      the method `wang`
samples.py   what it is trained on, made of composed clips as it goes
train.py     how it is trained (`cleanplate train`)
"""
