"""An Internal Learning Approach to Video Inpainting (Zhang et al., ICCV 2019): the paper's system.

What of the paper is where:

    Sec. 3       I* = G(N; theta), a network fitted to one clip (Eq. 1)    model.py, fit.py
    Sec. 3.1     what is compared: known pixels, known flow, masks M, M^f  objective.py
                 Eq. 2    the weighted sum of the terms                    losses.weighted_sum, config.LossConfig
                 Eq. 3    image generation loss                            losses.image_loss
                 Eq. 4    flow generation loss, occlusion map O            losses.flow_loss, imaging/flow.py, /warp.py
                 Eq. 5    consistency loss                                 losses.consistency_loss
                 Eq. 6    perceptual loss, VGG16 relu1_2, 2_2, 3_3         losses.perceptual_loss, perceptual.py
    Sec. 3.2     batches of N frames at strides 1, 3, 5; M steps a batch   schedule.py, config.Schedule
    Sec. 4.1     DIP, DIP-Vid, DIP-Vid-3DCN, DIP-Vid-Flow                  config.METHODS, methods.py
    App. A.1     encoder-decoder with skips, flow head                     network.py
    App. A.2     the same with convolutions over time                      network.py (kind "3d")
    App. B       the noise that goes in                                    model.py
    App. C       optimiser, passes, what is taken as the result            fit.py, budget.py

Not the paper's, and off in its methods: an input that moves with the picture (canvas.py), and where it is read
(places.py, the only room here that asks the wing carry/).

A new loss term: a function in losses.py, its weight in config.LossConfig (and a preset that sets it), and its value for
a batch in objective.py, which also lists the names of all terms.

What is measured and compared (Sec. 4, 5; tables and figures) is in `metrics`, `baselines`, `data` and `experiments`.
Where this departs from the paper is in docs/deviations.md.
"""
