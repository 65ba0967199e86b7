"""An input that moves with the picture: canvases that lie still in the scene, read where each pixel's place is.

The paper draws its noise for each frame by itself, so its network must memorise every frame by itself. Read from a
canvas, the input is the same wherever a place of the scene is seen: what a network learns of it where it is known
appears where it is hidden. A canvas begins as noise, and may be learned together with the network.

Letters: T frames, N of them in a batch; a place is (x, y) in pixels (places.py).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cleanplate.config import CanvasConfig


class Canvas(nn.Module):
    """Canvases of several scales, one over the other.

    Args:
        places: of every pixel of every frame.
        config: how many canvases there are, and of what.
        generator: of the noise that they begin as.
    """

    places: Tensor

    def __init__(self, places: Float[Tensor, "T 2 H W"], config: CanvasConfig, generator: torch.Generator):
        super().__init__()
        low, high = places.amin((0, 2, 3)), places.amax((0, 2, 3))
        self.channels = config.channels * len(config.cells_px)
        self.register_buffer("places", places - low.view(1, 2, 1, 1))
        # A shot that zooms covers far more than a frame: never more cells than the clip has pixels.
        least_px = float((high - low).prod() / places[:, 0].numel()) ** 0.5
        self.cells_px = [max(float(cell_px), least_px) for cell_px in config.cells_px]
        self.noise = nn.ParameterList()
        for cell_px in self.cells_px:
            columns, rows = (2 + int(side / cell_px) for side in (high - low).tolist())
            drawn = torch.rand(1, config.channels, rows, columns, generator=generator) - 0.5
            self.noise.append(nn.Parameter(config.noise_level * drawn, requires_grad=config.learned))

    def forward(self, index: list[int]) -> Float[Tensor, "N C H W"]:
        """What is on the canvases at the places of these frames."""
        places, read = self.places[index].permute(0, 2, 3, 1), []
        for noise, cell_px in zip(self.noise, self.cells_px, strict=True):
            # grid_sample's -1..1 spans the middles of the outermost cells (align_corners).
            span_px = cell_px * (places.new_tensor(noise.shape[:1:-1]) - 1)
            read.append(
                F.grid_sample(noise.expand(len(index), -1, -1, -1), 2 * places / span_px - 1, align_corners=True)
            )
        return torch.cat(read, 1)
