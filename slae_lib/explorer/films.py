"""The pictures of a walk through latents, with the attention beside them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from slae_lib.explorer.latents import Latents
from slae_lib.explorer.reels import check_reel, write_reel
from slae_lib.explorer.search import given_stops
from slae_lib.explorer.walks import PACE, check_frames, seeded_stops, walk
from slae_lib.explorer.words import link_label
from slae_lib.plotting.base import ATTENTION_COLORS, GREY, Pixels, to_pixels
from slae_lib.support.images import to_uint8
from slae_lib.support.progress import progress_bar
from slae_lib.training.sampling import GeneratedImages

SMALLEST = 256
"""A picture is shown with this side length or more: one of 64 px would be a stamp."""
OVERLAY = 0.6  # strength of a map over its picture, as on the stage
_PIXELS_AT_ONCE = 8 * 256**2


@dataclass(frozen=True, eq=False)
class Film:
    """The pictures of a walk, in order; after the last comes the first again.

    Attributes:
        images: uint8 (N, 3, R, R).
        attention: link name to its maps (N, h, w) in (0, 1); empty without attention.
    """

    images: Tensor
    attention: dict[str, Tensor]

    @property
    def steps(self) -> Tensor:
        """(N,): by how much colours differ from those of the next frame, of 255 on average."""
        following = (
            self.images[(frame + 1) % len(self.images)] for frame in range(len(self.images))
        )
        pairs = zip(self.images, following, strict=True)
        return torch.stack([(one.float() - next_.float()).abs().mean() for one, next_ in pairs])

    def told(self) -> str:
        """Say whether the pictures move evenly, or jump as where none lie between two others."""
        mean, most = float(self.steps.mean()), float(self.steps.max())
        return (
            f"From frame to frame colours move by {mean:.2f} of 255 on average and by {most:.2f} "
            f"at most. On an even way the most is {mean * PACE:.2f}; far above it the film jumps, "
            "and little lies between two pictures."
        )


def make_film(
    samples: GeneratedImages,
    through: tuple[str, ...],
    out: Path,
    *,
    stops: int,
    frames: int,
    seconds: float,
    attention: bool,
    **search: Any,
) -> str:
    """Write a film, and return what to say of it.

    Args:
        samples: of the generator, with the seed.
        through: ``noise`` or ``metadata``, as for `seeded_stops`, or files, as for `given_stops`.
        out: the film; its suffix says the kind.
        stops: how many, where they are no files.
        frames: how many.
        seconds: how long a round takes.
        attention: with the maps of the links.
        search: for `given_stops`.

    Raises:
        UsageError: for what makes no film: too few stops or frames, a suffix that is unknown.
        LabError: if a file cannot be used or written.
    """
    check_reel(out, frames, seconds)
    if through in (("noise",), ("metadata",)):
        check_frames(frames, stops)
        on_the_way = seeded_stops(samples, through[0], stops)
    else:
        on_the_way = given_stops(samples, [Path(name) for name in through], **search)
    film = shoot(samples, walk(on_the_way, frames), attention)
    write_reel(out, frames_of(film), frames, seconds)
    names = ", ".join(on_the_way.names)
    return f"{out}: {frames} frames through {names}, and back\n{film.told()}"


@torch.no_grad()
def shoot(samples: GeneratedImages, path: Latents, attention: bool, progress: bool = True) -> Film:
    """Draw the pictures of a path, and the maps of all links if they are wanted and there."""
    generator, device = samples.generator, samples.device
    wanted = attention and samples.config.has_attention
    at_once = max(1, _PIXELS_AT_ONCE // samples.resolution**2)
    images: list[Tensor] = []
    maps: dict[str, list[Tensor]] = {}
    with progress_bar(desc="frames", total=len(path), unit="frame", disable=not progress) as bar:
        for which in torch.arange(len(path)).split(at_once):
            inputs = [rows if rows is None else rows.to(device) for rows in path.inputs(which)]
            made = generator(*inputs, return_attention=True) if wanted else generator(*inputs)
            images.append(to_uint8(made.image).cpu())
            for name, drawn in (made.attention if wanted else {}).items():
                maps.setdefault(name, []).append(drawn[:, 0].float().cpu())
            bar.update(len(which))
    return Film(torch.cat(images), {name: torch.cat(parts) for name, parts in maps.items()})


def frames_of(film: Film) -> Iterator[Image.Image]:
    """Yield each picture, larger if it is small, with the maps of its links in a column beside it.

    A map lies over the grey picture. Its colours mean the same in all frames: they reach from the
    lowest to the highest value that the link has in the film, which stand beside it.
    """
    resolution = film.images.shape[-1]
    side = resolution * math.ceil(SMALLEST / resolution)
    if not film.attention:
        yield from (_enlarged(image, side) for image in film.images)
        return
    unit = side // 32
    count = len(film.attention)
    cell = (side - (count - 1) * unit) // count
    font = ImageFont.truetype(findfont("DejaVu Sans"), round(1.5 * unit))
    small = ImageFont.truetype(findfont("DejaVu Sans"), round(1.25 * unit))
    ranges = {name: (float(maps.min()), float(maps.max())) for name, maps in film.attention.items()}
    texts = [(link_label(name), f"{low:.2f} to {high:.2f}") for name, (low, high) in ranges.items()]
    left = 2 * unit + side
    label = left + cell + unit
    wide = max(max(font.getlength(name), small.getlength(reach)) for name, reach in texts)
    width = label + math.ceil(wide) + unit
    page = Image.new("RGB", (width + width % 2, side + 2 * unit), "white")
    pen = ImageDraw.Draw(page)
    tops = [unit + row * (cell + unit) for row in range(count)]
    for top, (name, reach) in zip(tops, texts, strict=True):
        pen.text((label, top + cell // 2 - unit // 4), name, "black", font, anchor="ls")
        pen.text((label, top + cell // 2 + unit // 2), reach, GREY, small, anchor="lt")
    for frame, image in enumerate(film.images):
        drawn = page.copy()
        large = _enlarged(image, side)
        drawn.paste(large, (unit, unit))
        below = large.convert("L").convert("RGB").resize((cell, cell), Image.Resampling.LANCZOS)
        for top, (name, maps) in zip(tops, film.attention.items(), strict=True):
            above = Image.fromarray(coloured(maps[frame], *ranges[name]))
            above = above.resize((cell, cell), Image.Resampling.NEAREST)
            drawn.paste(Image.blend(below, above, OVERLAY), (left, top))
        yield drawn


def coloured(attention: Tensor, low: float, high: float) -> Pixels:
    """Return a map (h, w) in the colours of attention, ``low`` the darkest: (h, w, 3)."""
    share = ((attention - low) / max(high - low, 1e-6)).clamp(0, 1)
    return np.asarray(colormaps[ATTENTION_COLORS](share.numpy(), bytes=True)[..., :3])


def _enlarged(image: Tensor, side: int) -> Image.Image:
    return Image.fromarray(to_pixels(image)).resize((side, side), Image.Resampling.BICUBIC)
