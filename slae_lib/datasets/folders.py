"""Read the pictures of a folder: all of them the first time, then only what has changed."""

import contextlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import slae_lib.datasets.cache as cache
from slae_lib.datasets.cache import Index, Pixels
from slae_lib.datasets.depth import BadPicture
from slae_lib.datasets.pictures import Unreadable, each_in_threads, read_picture
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write, check_writable

Contents = tuple[Index, Tensor | None, Pixels | None]
"""What is known of the files of a folder, in the order of their names; the usable pictures (N, 3,
R, R) uint8, if wanted in memory; and the same on the disk, if they are kept."""


def read_folder(folder: Path, files: list[str], resolution: int, in_memory: bool) -> Contents:
    """Return what the picture files of a folder hold, from the cache as far as it goes.

    Every file is decoded once, whether or not its pixels can be kept: a damaged one is found now,
    and not by the training hours later.

    Args:
        folder: of the pictures.
        files: paths in it, as `find_pictures` gives them.
        resolution: side length of the pictures.
        in_memory: whether to return the pictures themselves too.

    Warns:
        UserWarning: if nothing can be kept.
    """
    # Taken before anything is read, so that the next start notices what changes meanwhile.
    stamps = cache.stamps_of(folder, files)
    with cache.alone(folder):  # another process may be reading them just now
        contents = _from_cache(folder, stamps, resolution, in_memory)
        if contents is not None:
            return contents
        keep = cache.make_room(len(files) * 3 * resolution**2)
        try:
            check_writable(cache.index_file(folder))
            contents = _from_files(folder, stamps, resolution, in_memory, keep)
            cache.write_index(folder, contents[0])
        except LabError as error:
            warnings.warn(f"The pictures will be decoded again next time: {error}", stacklevel=4)
            contents = contents or _from_files(folder, stamps, resolution, in_memory, keep=False)
    return contents


def _from_cache(
    folder: Path, stamps: Mapping[str, str], resolution: int, in_memory: bool
) -> Contents | None:
    index = cache.read_index(folder)
    if index.stamps != stamps:
        return None
    pixels = cache.pixels_of(folder, index, resolution)
    try:
        images = pixels.read(range(pixels.pictures if in_memory else 0))
    except OSError:
        too_large = not in_memory and pixels.size > cache.limit()
        return (index, None, None) if too_large else None
    with contextlib.suppress(OSError):  # somebody else's cache may be read all the same
        os.utime(pixels.path)
    return index, images if in_memory else None, pixels


def _from_files(
    folder: Path, stamps: Mapping[str, str], resolution: int, in_memory: bool, keep: bool
) -> Contents:
    before = cache.read_index(folder)
    pixels_before = cache.pixels_of(folder, before, resolution)
    rows = {file: row for row, file in enumerate(before.digests)}
    index = Index({}, {}, {})

    def read(file: str) -> tuple[Tensor | None, str] | BadPicture:
        """Return the picture, or None where nobody wants it, and its digest; or what is wrong."""
        try:
            if before.stamps.get(file) == stamps[file]:
                if file in before.reasons:
                    return BadPicture(before.reasons[file])
                if not (keep or in_memory):
                    return None, before.digests[file]
                with contextlib.suppress(OSError):
                    return pixels_before.read([rows[file]])[0], before.digests[file]
            return read_picture(folder / file, resolution)
        except BadPicture as bad:
            return bad

    shape = (len(stamps) if in_memory else 0, 3, resolution, resolution)
    images = torch.empty(shape, dtype=torch.uint8)
    usable, checksums = 0, []
    progress = f"reading {folder.name}" if len(stamps) > 1000 else None
    with contextlib.ExitStack() as stack:
        file = None
        if keep:
            temporary = stack.enter_context(atomic_write(pixels_before.path))
            file = stack.enter_context(temporary.open("wb"))
        results = each_in_threads(read, list(stamps), progress)
        for (name, stamp), result in zip(stamps.items(), results, strict=True):
            index.stamps[name] = stamp
            if isinstance(result, BadPicture):
                index.reasons[name] = str(result)
                if isinstance(result, Unreadable) and "closed" not in stamp:
                    index.stamps[name] = ""  # a fault that shows nowhere else: tried next time
                continue
            picture, index.digests[name] = result
            if picture is not None and file is not None:
                file.write(picture.numpy().data)
                checksums.append(cache.checksum(picture))
            if picture is not None and in_memory:
                images[usable] = picture
                usable += 1
        pixels = cache.pixels_of(folder, index, resolution)
        if file is not None:
            file.write(b"".join(checksums) + pixels.seal())
    return index, images[:usable] if in_memory else None, pixels if keep else None
