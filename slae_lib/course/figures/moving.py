"""Pictures that move: an animated PNG, which every browser plays and which stands still at last."""

import io
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from slae_lib.support.images import image_grid

COLOURS = 64  # of all frames together: a third of the file, and nobody sees it
SECONDS_A_FRAME = 0.15
TIMES = 2  # played, so that it moves for no more than five seconds (WCAG 2.2.2)


@dataclass(frozen=True)
class Moving:
    """A short film.

    Attributes:
        frames: uint8 (T, 3, R, R).
        width: pixels to show it with.
    """

    frames: Tensor
    width: int

    def png(self) -> tuple[bytes, int]:
        """Return the bytes of an animated PNG, and the width in pixels to show it with."""
        side = self.frames.shape[-1]
        strip = image_grid(self.frames, len(self.frames)).quantize(
            COLOURS, dither=Image.Dither.NONE
        )  # all at once, so that all frames have the same colours
        corners = [place * (side + 2) for place in range(len(self.frames))]
        pictures = [strip.crop((left, 0, left + side, side)) for left in corners]
        file = io.BytesIO()
        pictures[0].save(
            file,
            format="PNG",
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 * SECONDS_A_FRAME),
            loop=TIMES,
        )
        return file.getvalue(), self.width
