"""Images on the disk: all on one sheet, and each in a file of its own, written as they come."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from slae_lib.support.errors import UsageError
from slae_lib.support.files import atomic_write

SHEET_FORMATS = {
    ".png": ("PNG", 2**31 - 1),
    ".jpg": ("JPEG", 65_500),
    ".jpeg": ("JPEG", 65_500),
    ".webp": ("WEBP", 16_383),
}
"""By the suffix of a sheet: Pillow's name, and how many pixels the format allows on a side."""
SHEET_PIXELS = 2**28
"""A sheet has no more than about these, which take 1 GiB of memory while it is put together."""


class Pictures(Protocol):
    """Images uint8 (3, R, R) that come one by one: a tensor of them, or `GeneratedImages`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tensor]: ...


def on_sheet(count: int, resolution: int) -> int:
    """Return how many of ``count`` images of ``resolution`` px a sheet shows: all, if they fit."""
    return min(count, max(1, SHEET_PIXELS // resolution**2))


def save_images(
    images: Pictures, sheet: Path, each: Path | None = None, progress: bool = False
) -> list[Path]:
    """Write images as one sheet and, if wanted, as files of their own.

    An image is written when it comes, so that the memory holds the sheet and no more. Whoever
    stops it finds whole files in ``each``, and the sheet as it was.

    Args:
        images: one or more.
        sheet: file of all images side by side, or of the first ones (`on_sheet`): PNG, JPEG or
            WebP, as its suffix says, and PNG if it has none.
        each: folder for ``0000.png`` and so on.
        progress: show a progress bar.

    Returns:
        The files written, the folder standing for its files.

    Raises:
        UsageError: if ``sheet`` is a folder, or has another suffix; or if it does not hold all
            images and there is no ``each``.
        LabError: if a file cannot be written.
    """
    check_sheet(sheet)
    kind, longest = SHEET_FORMATS[sheet.suffix.lower() or ".png"]
    side = next(iter(images)).shape[-1]
    shown = on_sheet(len(images), side)
    if shown < len(images) and each is None:
        raise UsageError(
            f"A sheet holds {shown} images of {side} px and not {len(images)}; give a folder for "
            "them with --each, or take fewer."
        )
    columns = math.ceil(math.sqrt(shown))
    step = side + 2  # white lines of 2 px between the images
    size = (columns * step - 2, math.ceil(shown / columns) * step - 2)
    if max(size) > longest:
        raise UsageError(
            f"The sheet has {size[0]}x{size[1]} pixels and {kind} allows {longest} on a "
            f"side; write it to {sheet.with_suffix('.png')}, or take fewer images."
        )
    canvas = Image.new("RGB", size, "white")
    bar = tqdm(images, "images", len(images), unit="image", disable=not progress)
    for index, image in enumerate(bar):
        picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        if index < shown:
            canvas.paste(picture, (index % columns * step, index // columns * step))
        if each is not None:
            with atomic_write(each / f"{index:04d}.png") as temporary:
                picture.save(temporary, format="PNG")
    with atomic_write(sheet) as temporary:
        canvas.save(temporary, format=kind, quality=95)  # PNG has no quality to choose
    return [sheet] if each is None else [sheet, each]


def check_sheet(sheet: Path) -> None:
    """Refuse a file that `save_images` cannot write, before the images are made.

    Raises:
        UsageError: if ``sheet`` is a folder, or no suffix of `SHEET_FORMATS`.
    """
    if sheet.is_dir():
        raise UsageError(f"{sheet} is a folder; give --out a file, such as {sheet / 'sheet.png'}.")
    if sheet.suffix.lower() not in ("", *SHEET_FORMATS):
        raise UsageError(
            f"{sheet} would be a picture of an unknown kind; let its name end in "
            f"{', '.join(SHEET_FORMATS)}."
        )
