"""Sets of training images: the built-in Fluent faces, the paper's data sets, any folder.

A set gives square uint8 pictures at one resolution. Its fingerprint says which files it was made
of, whatever the resolution, so that whatever is derived from a set can tell that it is stale.
"""

import contextlib
import dataclasses
import difflib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from slae_lib.config import RESOLUTIONS
from slae_lib.datasets.cache import Pixels, fingerprint
from slae_lib.datasets.depth import BadPicture
from slae_lib.datasets.find import find_pictures
from slae_lib.datasets.folders import read_folder
from slae_lib.datasets.pictures import SkippedPicture, in_threads, read_picture
from slae_lib.datasets.registry import DATA_SETS, RETIRED, DataSetInfo
from slae_lib.support.errors import LabError, UsageError

MEMORY_LIMIT = 2**28
"""Sets of at most this many bytes live in memory; larger ones are read batch by batch."""
DEVICE_LIMIT = 2**30
"""Sets of at most this many bytes are put on an accelerator as a whole."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square training pictures at one resolution.

    Args:
        name: of a registered set, or of the folder.
        resolution: side length R of the pictures.
        names: one per picture, sorted: relative paths with ``/``.
        fingerprint: SHA-256 (hex) over names and contents; the same at every resolution.
        attribution: the line to show wherever the pictures are; None where none is asked for.
        images: (N, 3, R, R) uint8, or None if the pictures stay on the disk.
        folder: where their files are, with the whole path; None for pictures without files.
        pixels: the decoded pictures in the cache, row by row; None if they are not there.
    """

    name: str
    resolution: int
    names: tuple[str, ...] = dataclasses.field(repr=False)
    fingerprint: str
    attribution: str | None = None
    images: Tensor | None = dataclasses.field(default=None, repr=False)
    folder: Path | None = None
    pixels: Pixels | None = dataclasses.field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def reference(self) -> str:
        """What `load_images` finds the set by later, from whatever folder: its name or its path."""
        known = DATA_SETS.get(self.name)
        if self.folder is None or (known and self.folder == known.folder.resolve()):
            return self.name
        return str(self.folder)

    @property
    def in_memory(self) -> bool:
        """Whether the pictures are held as one tensor."""
        return self.images is not None

    @property
    def decoded(self) -> bool:
        """Whether no picture has to be decoded any more, in memory or in the cache."""
        return self.images is not None or self.pixels is not None

    def batch(self, indices: Sequence[int] | Tensor) -> Tensor:
        """Return the pictures at ``indices``: (B, 3, R, R) uint8, on the set's device.

        Raises:
            LabError: if a file of an on-disk set has vanished or been damaged meanwhile.
        """
        if self.images is not None:
            chosen = torch.as_tensor(indices, dtype=torch.long)
            # Not waited for, which a GPU would take for an order to finish all before it.
            return self.images[chosen.to(self.images.device, non_blocking=True)]
        rows = [range(len(self))[index] for index in torch.as_tensor(indices).tolist()]
        if self.pixels is not None:
            with contextlib.suppress(OSError):  # cleared by somebody; the files are still there
                return self.pixels.read(rows)
        pictures = torch.empty(len(rows), 3, self.resolution, self.resolution, dtype=torch.uint8)
        for place, picture in enumerate(in_threads(self.decode, rows)):
            pictures[place] = picture
        return pictures

    def decode(self, index: int) -> Tensor:
        """Return one picture out of its own file: (3, R, R) uint8.

        Raises:
            LabError: if the file has vanished or been damaged meanwhile.
        """
        assert self.folder is not None
        path = self.folder / self.names[index]
        try:
            return read_picture(path, self.resolution)[0]
        except BadPicture as bad:
            raise LabError(f"{path} was usable and no longer is: {bad}; put it back.") from bad

    def to(self, device: torch.device | str) -> "ImageSet":
        """Return the set with its tensor on ``device``, or itself if it has to stay on the disk.

        An accelerator takes more than the memory does; what is decoded already is put there.
        """
        images, pixels = self.images, self.pixels
        if images is None and pixels is not None and torch.device(device).type != "cpu":
            images = self.batch(range(len(self))) if pixels.size <= DEVICE_LIMIT else None
        return self if images is None else dataclasses.replace(self, images=images.to(device))


def load_images(data: str | Path, resolution: int) -> ImageSet:
    """Load a registered data set or a folder of pictures.

    Args:
        data: a name from `DATA_SETS` or a folder. A string that is both is the name;
            ``"./name"`` or a `Path` is always the folder.
        resolution: side length of the pictures, one of `RESOLUTIONS`.

    Raises:
        UsageError: for a resolution or a name that does not exist.
        LabError: if the pictures are not there, or fewer than two can be used.

    Warns:
        SkippedPicture: once for every file that cannot be used.
    """
    if resolution not in RESOLUTIONS:
        raise UsageError(
            f"The resolution is {resolution}; choose one of {', '.join(map(str, RESOLUTIONS))}."
        )
    if isinstance(data, str):
        if data in DATA_SETS:
            if os.path.isdir(data):
                warnings.warn(
                    f"{data} is the registered data set; for the folder here write ./{data}.",
                    stacklevel=2,
                )
            return _load_registered(DATA_SETS[data], resolution)
        # A bare word that is no folder was meant as a name.
        is_word = Path(data).name == data and not data.startswith(("~", ".."))
        if is_word and not os.path.exists(data):
            raise UsageError(RETIRED.get(data) or _unknown(data))
    folder = Path(os.path.expanduser(data))
    return _load_folder(folder, os.path.basename(os.path.abspath(folder)), resolution)


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), {known.lower(): known for known in DATA_SETS})
    matches = [known for known in DATA_SETS if known.lower() in close]
    hint = f" (did you mean {' or '.join(matches)}?)" if matches else ""
    return (
        f"There is neither a folder nor a data set {name!r}{hint}; "
        f"the known data sets are {', '.join(DATA_SETS)}."
    )


def _load_registered(info: DataSetInfo, resolution: int) -> ImageSet:
    if not info.folder.is_dir():
        mend = f"`slae data fetch {info.name}` downloads it"
        if info.builtin:
            mend = "it should have come with it; install the lab anew"
        elif info.origin == "by hand":
            mend = f"download it by hand ({info.source}) and put its pictures into {info.folder}"
        raise LabError(f"The data set {info.name} is not on this computer yet; {mend}.")
    found = _load_folder(info.folder, info.name, resolution)
    return dataclasses.replace(found, attribution=info.attribution)


def _load_folder(folder: Path, name: str, resolution: int) -> ImageSet:
    files = find_pictures(folder)
    in_memory = len(files) * 3 * resolution**2 <= MEMORY_LIMIT
    index, images, pixels = read_folder(folder, files, resolution, in_memory)
    names, bad = tuple(index.digests), index.reasons
    if not names:
        first = next(iter(bad))
        raise LabError(
            f"None of the pictures in {folder} can be used ({first}: {bad[first]}); "
            "put two or more good ones into it."
        )
    for file, reason in bad.items():
        warnings.warn(f"Skipped {folder / file}: {reason}.", SkippedPicture, stacklevel=3)
    if len(names) < 2:
        raise LabError(f"{folder} has only one usable picture; put two or more into it.")
    return ImageSet(
        name=name,
        resolution=resolution,
        names=names,
        fingerprint=fingerprint(index.digests),
        images=images,
        folder=folder.resolve(),
        pixels=pixels,
    )
