"""The picture files of a folder: which count, and what is said of those that do not."""

import os
import warnings
from pathlib import Path

from PIL import Image

from slae_lib.datasets.pictures import FORMATS, SkippedPicture
from slae_lib.support.errors import LabError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
)
FOREIGN_SUFFIXES = frozenset(
    (".heic", ".heif", ".jxl", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".svg")
)
"""Of pictures that neither the lab nor Pillow reads; leaving them out is said, as with Pillow's."""
SYSTEM_FOLDERS = frozenset(
    ("__MACOSX", "@eaDir", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot")
) | {"$RECYCLE.BIN", "RECYCLER", "System Volume Information", "lost+found"}
"""Folders that systems and network drives put beside one's pictures: thumbnails, deleted files."""
SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "dev"))
"""Names of folders that hold the parts of a set that are kept apart."""


def find_pictures(folder: Path) -> list[str]:
    """Return the relative paths (with ``/``) of the picture files below ``folder``, sorted.

    Files count by their suffix, in any case. Hidden files and folders and those of the system
    (`SYSTEM_FOLDERS`) are left out, and so are the folders of runs inside, whose pictures a
    generator has made. Links to folders are followed, but no folder is read twice.

    Raises:
        LabError: if ``folder`` is no readable folder with pictures.

    Warns:
        SkippedPicture: for a folder inside that cannot be read or is a run's, and once for all
            pictures of kinds that the lab does not read.
        UserWarning: if folders inside are the parts of a set that one keeps apart (`SPLITS`).
    """
    if not os.path.exists(folder):
        raise LabError(
            f"The folder {folder} does not exist; check its spelling, or see `slae data list`."
        )
    if not os.path.isdir(folder):
        raise LabError(f"{folder} is a file; give the folder that holds the pictures.")
    top = folder.resolve()
    seen = {top}
    names = []
    foreign: list[str] = []  # the suffix of each picture that the lab does not read
    odd_kinds = FOREIGN_SUFFIXES | Image.registered_extensions().keys() - {".pdf"}

    # A link up to a folder that contains this one would lead to the rest of the disk.
    def is_new(path: Path) -> bool:
        real = Path(os.path.realpath(path))
        if real in seen or top.is_relative_to(real):
            return False
        seen.add(real)
        return True

    def skip(path: object, why: str, level: int) -> None:
        warnings.warn(f"Skipped {path}: {why}.", SkippedPicture, stacklevel=level)

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == top:
            raise LabError(
                f"The folder {folder} cannot be read ({error.strerror}); change its permissions."
            ) from error
        skip(error.filename, f"it cannot be read ({error.strerror})", level=7)

    for root, folders, files in os.walk(top, onerror=unreadable, followlinks=True):
        here = Path(root)
        inside = "" if here == top else f"{here.relative_to(top).as_posix()}/"
        if here != top and "run.json" in files:
            skip(here, "it is the folder of a run, and its pictures are drawn ones", level=6)
            folders.clear()
            continue
        folders.sort(key=lambda name: ((here / name).is_symlink(), name))  # links come last
        folders[:] = [
            name
            for name in folders
            if not (name.startswith(".") or name in SYSTEM_FOLDERS) and is_new(here / name)
        ]
        for name in files:
            suffix = os.path.splitext(name)[1].lower()  # a `Path` of each would take seconds
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                names.append(inside + name)
            elif suffix in odd_kinds or (not suffix and _is_picture(here / name)):
                foreign.append(suffix or "no suffix")
    if foreign:
        kinds = ", ".join(sorted(set(foreign)))
        what, were, them = f"{len(foreign)} files of other kinds", "were", "them"
        if len(foreign) == 1:
            what, were, them = "1 file of another kind", "was", "it"
        warnings.warn(
            f"{what} ({kinds}) {were} left out of {folder}; save {them} as .jpg or .png to use "
            f"{them}.",
            SkippedPicture,
            stacklevel=3,
        )
    splits = sorted({part for name in names for part in name.split("/")[:-1]} & SPLITS)
    if len(splits) > 1:
        warnings.warn(
            f"The pictures of {' and '.join(splits)} in {folder} are taken together as one set; "
            f"to keep them apart give one of the folders, such as {folder / splits[-1]}.",
            stacklevel=3,
        )
    if not names:
        what = "holds no pictures" if os.listdir(top) else "is empty"
        raise LabError(
            f"The folder {folder} {what}; put JPEG, PNG, WebP, BMP, GIF or TIFF files into it."
        )
    return sorted(names)


def _is_picture(path: Path) -> bool:
    if not os.path.isfile(path):  # a named pipe would block for ever, and some may not be asked
        return False
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS):
            return True
    except Exception:  # whatever a file of another kind makes of Pillow
        return False
