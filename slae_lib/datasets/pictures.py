"""Picture files, made clean square tensors.

Pictures come from cameras, scanners and drawing programs: grey or with a palette, see-through,
made for print, sixteen bits deep, lying on their side. A network wants none of that:
(3, R, R), uint8, red, green, blue.
"""

import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from slae_lib.datasets.depth import (
    BadPicture,
    check_brightness,
    is_deep_grey,
    to_eight_bits,
    white_level,
)
from slae_lib.support.device import memory
from slae_lib.support.progress import progress_bar

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""What Pillow calls the kinds of files that are read."""
MIN_SIDE = 8
"""Pictures with a shorter side of fewer pixels are refused."""
MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused unopened: where Pillow starts to suspect a bomb, 256 MB."""

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_THREADS = min(8, os.cpu_count() or 1)
_PIXEL = 28  # bytes that a pixel takes at most while it is decoded: WebP with transparency
_ONE_LARGE = threading.Lock()
_AHEAD = 256
_MAX_CHUNK = 2**26  # bytes of a text or colour profile in a PNG


class SkippedPicture(UserWarning):
    """A file or folder was left out of a set; the message names it and says why."""


class Unreadable(BadPicture):
    """What is in the file is not known, since it could not be read."""


def read_picture(path: Path, resolution: int) -> tuple[Tensor, str]:
    """Read, check and decode one file.

    Returns:
        The picture, (3, resolution, resolution) uint8, and the SHA-256 of the file's bytes (hex).

    Raises:
        BadPicture: with the reason, if the file is no usable picture.
    """
    try:
        if not path.is_file():  # a named pipe would block for ever
            raise BadPicture("it is a broken link or not a regular file")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if file.tell() == 0:
                raise BadPicture("it is empty")
            return decode(file, resolution), digest  # Pillow goes back to the start by itself
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror or error})") from error


def decode(file: BinaryIO, resolution: int) -> Tensor:
    """Decode a picture: upright, RGB over white, the middle square, resized with antialiasing.

    Of a picture with several frames or pages the first is taken. A square picture that already
    has the wanted size keeps its pixels exactly.

    Args:
        file: a JPEG, PNG, WebP, BMP, GIF or TIFF file, open for reading.
        resolution: side length of the result.

    Returns:
        (3, resolution, resolution), uint8.

    Raises:
        BadPicture: with the reason, if the file is no usable picture.
    """
    # A damaged file can make Pillow raise almost anything (SyntaxError, struct.error, KeyError,
    # ...), and whatever it is, it says something about the file and not about the program.
    try:
        # A long text or colour profile is no fault of a picture; Pillow allows 1 MB.
        PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _MAX_CHUNK)
        image: Image.Image = Image.open(file, formats=FORMATS)
        if image.width * image.height > _most_pixels():  # only the header has been read so far
            raise BadPicture(_too_large())
        if min(image.size) < MIN_SIDE:
            size = f"{image.width}x{image.height}"
            raise BadPicture(f"it is {size} pixels; each side has to be {MIN_SIDE} or more")
        large = image.width * image.height > _most_pixels(_MAX_THREADS)
        with _ONE_LARGE if large else nullcontext():
            highest = white_level(image)
            image.load()
            image = _over_white(_upright(image), highest)
        if highest is not None:
            check_brightness(image)
    except (BadPicture, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise BadPicture(_too_large()) from error
    except UnidentifiedImageError as error:
        raise BadPicture("it is no JPEG, PNG, WebP, BMP, GIF or TIFF picture") from error
    except Exception as error:
        raise BadPicture(f"it is damaged or of an unknown kind ({error})") from error
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    if side != resolution:
        square = square.resize((resolution, resolution), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(square))  # (R, R, 3)
    return pixels.permute(2, 0, 1).contiguous()  # (3, R, R)


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], progress: str | None = None
) -> list[Result]:
    """Return ``function`` of every item, in order, as `each_in_threads` gives them."""
    return list(each_in_threads(function, items, progress))


def each_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], progress: str | None = None
) -> Iterator[Result]:
    """Yield ``function`` of every item, in order; Pillow decodes outside Python's lock.

    With ``progress``, a progress bar of that name. Only some hundred results wait to be taken.

    Pillow's own warnings are silent meanwhile: what makes a picture unusable is said once, by
    `BadPicture`. They are switched off here because their switch is not safe inside the threads.
    """
    threads = max(1, min(_MAX_THREADS, len(items)))
    bar = progress_bar(desc=progress, total=len(items), disable=progress is None, leave=False)
    with bar, silent_pillow(), ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), _AHEAD):
            for result in pool.map(function, items[start : start + _AHEAD]):
                bar.update()
                yield result


@contextmanager
def silent_pillow() -> Iterator[None]:
    """Keep Pillow's own warnings back."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _too_large() -> str:
    most = f"{_most_pixels() / 1e6:.0f} million pixels"
    return f"it has more than {most}, which looks like an attack on the memory; save it smaller"


def _most_pixels(threads: int = 1) -> int:
    """Return how many pixels each of some threads may decode: together in half of the memory."""
    return min(MAX_PIXELS, memory() // 2 // _PIXEL // threads)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image  # damaged EXIF data tells no orientation; the pixels are fine


def _over_white(image: Image.Image, highest: int | None) -> Image.Image:
    """Convert any mode to RGB; where the picture is transparent, white shows."""
    if highest is not None and is_deep_grey(image):
        return to_eight_bits(image, highest).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
