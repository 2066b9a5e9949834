"""Images on the disk: all on one sheet, and each in a file of its own, written as they come."""

import math
from pathlib import Path

from PIL import Image
from torch import Tensor

from slae_lib.support.errors import UsageError
from slae_lib.support.files import atomic_write, check_still_there
from slae_lib.support.images import to_picture
from slae_lib.support.progress import progress_bar
from slae_lib.training.sampling import GeneratedImages

SHEET_FORMATS = {
    ".png": ("PNG", 2**31 - 1),
    ".jpg": ("JPEG", 65_500),
    ".jpeg": ("JPEG", 65_500),
    ".webp": ("WEBP", 16_383),
}
"""By the suffix of a sheet: Pillow's name, and how many pixels the format allows on a side."""
SHEET_PIXELS = 2**28
"""A sheet has no more than about these, which take 1 GiB of memory while it is put together."""
GAP = 2  # px of white between the images


Pictures = Tensor | GeneratedImages
"""Images uint8 (3, R, R) that come one by one."""


def on_sheet(count: int, resolution: int) -> int:
    """Return how many of ``count`` images of ``resolution`` px a sheet shows: all, if they fit."""
    return min(count, max(1, SHEET_PIXELS // resolution**2))


def save_images(
    images: Pictures, sheet: Path | None, each: Path | None = None, progress: bool = False
) -> list[Path]:
    """Write images as one sheet, as files of their own, or both.

    An image is written when it comes, so that the memory holds the sheet and no more. Whoever
    stops it finds whole files in ``each``, and the sheet as it was.

    Args:
        images: one or more.
        sheet: file of all images side by side, or of the first ones (`on_sheet`): PNG, JPEG or
            WebP, as its suffix says, and PNG if it has none. None: no sheet.
        each: folder for ``0000.png`` and so on.
        progress: show a progress bar.

    Returns:
        The files written, the folder standing for its files.

    Raises:
        UsageError: if ``sheet`` is a folder, or has another suffix; if it does not hold all
            images and there is no ``each``; or if ``each`` has such files already.
        LabError: if a file cannot be written.
    """
    old = sorted(each.glob("[0-9][0-9][0-9][0-9]*.png")) if each and each.is_dir() else []
    if old:
        raise UsageError(
            f"{each} already holds {len(old)} images, such as {old[0].name}, which would be "
            "mixed with the new ones; delete them, or give --each another folder."
        )
    there = sheet is not None and sheet.parent.is_dir()
    canvas, columns = (None, 1) if sheet is None else _canvas(images, sheet, each is not None)
    shown = 0 if canvas is None else on_sheet(len(images), next(iter(images)).shape[-1])
    bar = progress_bar(images, "images", len(images), unit="image", disable=not progress)
    for index, image in enumerate(bar):
        picture = to_picture(image)
        if canvas is not None and index < shown:
            step = image.shape[-1] + GAP
            canvas.paste(picture, (index % columns * step, index // columns * step))
        if each is not None:
            with atomic_write(each / f"{index:04d}.png") as temporary:
                picture.save(temporary, format="PNG")
    if sheet is not None and canvas is not None:
        check_still_there(sheet.parent, there)
        kind, _ = SHEET_FORMATS[sheet.suffix.lower() or ".png"]
        with atomic_write(sheet) as temporary:
            canvas.save(temporary, format=kind, quality=95)  # PNG has no quality to choose
    return [path for path in (sheet, each) if path is not None]


def _canvas(images: Pictures, sheet: Path, rest_elsewhere: bool) -> tuple[Image.Image, int]:
    """Return an empty sheet for the images, and its columns."""
    check_sheet(sheet)
    kind, longest = SHEET_FORMATS[sheet.suffix.lower() or ".png"]
    side = next(iter(images)).shape[-1]
    shown = on_sheet(len(images), side)
    if shown < len(images) and not rest_elsewhere:
        raise UsageError(
            f"A sheet holds {shown} images of {side} px and not {len(images)}; give a folder for "
            "them with --each, or take fewer."
        )
    columns = math.ceil(math.sqrt(shown))
    step = side + GAP
    size = (columns * step - GAP, math.ceil(shown / columns) * step - GAP)
    if max(size) > longest:
        raise UsageError(
            f"The sheet has {size[0]}x{size[1]} pixels and {kind} allows {longest} on a "
            f"side; write it to {sheet.with_suffix('.png')}, or take fewer images."
        )
    return Image.new("RGB", size, "white"), columns


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
