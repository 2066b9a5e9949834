"""The pictures of a metadata bank, as the stage and its stills lay them out."""

import io
import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer.figures.pages import grid_for
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.plane import on_page, principal_plane, side_by_side
from slae_lib.explorer.words import picture_label
from slae_lib.plotting.base import to_pixels
from slae_lib.support.images import resized

MOST_THUMBNAILS = 400
NEAR = 4
_SIDE, _COLUMNS = 48, 16  # px of a thumbnail, and thumbnails in a row, of the sheet
_GREY = 160


class Faces:
    """Where each picture of a bank lies by its metadata, what it looks like, what it is near to.

    Args:
        bank: the metadata.
        pictures: its thumbnails.

    Attributes:
        places: (N, 2) in the unit square, (0, 0) being the lower left.
        share: of the variance that the plane holds, 0 to 1.
        thumbnails: N pictures, uint8 (3, r, r), or None.
    """

    def __init__(self, bank: MetadataBank, pictures: TrainingPictures) -> None:
        self.bank, self.pictures = bank, pictures
        # The direction is what the generator takes of it, and what a cosine compares.
        places, self.share = principal_plane(torch.nn.functional.normalize(bank.rows()))
        self.places = on_page(places)
        self.apart = len(bank) <= MOST_THUMBNAILS
        if self.apart:
            self.places = side_by_side(self.places, *grid_for(len(bank)))

    @cached_property
    def thumbnails(self) -> list[Tensor | None]:
        """The pictures, as far as they can be had; more than anybody can see are not read."""
        shown = self.pictures.many(list(self.bank.names[:MOST_THUMBNAILS]))
        return [*shown, *[None] * (len(self.bank) - len(shown))]

    def nearest(self, index: int, count: int) -> list[tuple[int, float]]:
        """Return the pictures most like one, by cosine, and the cosines."""
        cosines, indices = self.bank.nearest(self.bank.values[index], count + 1)
        found = zip(indices.tolist(), cosines.tolist(), strict=True)
        return [(at, cosine) for at, cosine in found if at != index][:count]

    def described(self) -> dict[str, Any]:
        """Return what the stage is told: names, labels, places, neighbours and the sheet's grid."""
        columns, rows = grid_for(len(self.bank)) if self.apart else (32, 24)
        pictures = [
            {
                "name": name,
                "label": picture_label(name),
                "x": round(x, 4),
                "y": round(1 - y, 4),
                "near": [at for at, _ in self.nearest(index, NEAR)],
            }
            for index, (name, (x, y)) in enumerate(
                zip(self.bank.names[:MOST_THUMBNAILS], self.places.tolist(), strict=False)
            )
        ]
        return {"pictures": pictures, "grid": [columns, rows], "sheet": _COLUMNS}

    def sheet(self) -> bytes:
        """Return all thumbnails in rows of 16 as one WebP; a grey square stands for None."""
        shown = self.thumbnails[:MOST_THUMBNAILS]
        rows = max(1, math.ceil(len(shown) / _COLUMNS))
        canvas = np.full((rows * _SIDE, _COLUMNS * _SIDE, 3), _GREY, dtype=np.uint8)
        for index, thumbnail in enumerate(shown):
            if thumbnail is not None:
                small = resized(thumbnail[None].float(), _SIDE)[0].round().clamp(0, 255)
                top, left = _SIDE * (index // _COLUMNS), _SIDE * (index % _COLUMNS)
                canvas[top : top + _SIDE, left : left + _SIDE] = to_pixels(small.to(torch.uint8))
        return webp(Image.fromarray(canvas))


def webp(picture: Image.Image) -> bytes:
    """Return a picture as WebP, small rather than exact."""
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=82, method=4)
    return file.getvalue()
