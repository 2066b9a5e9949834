"""Take the pictures out of a zip file that a stranger made.

`zipfile` reads it; the distrust is ours. An archive can name files outside the folder it is
unpacked into, carry links, or grow from a megabyte to a terabyte, and `zipfile` lets that pass or
mends it in silence. Here all names and sizes are looked at before the first byte is written, and
the folder appears only when it is whole.
"""

import posixpath
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from slae_lib.datasets.find import SUFFIXES
from slae_lib.support.downloads import shortage
from slae_lib.support.errors import LabError
from slae_lib.support.files import write_error
from slae_lib.support.sealed import reading

SMALL = 10 * 2**20
"""Archives that unpack to no more than this many bytes may be packed as tightly as they like."""
UNSOUND = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError)
"""What `zipfile` raises for a file that it cannot read."""


class HostileArchive(LabError):
    """An archive looks like an attack, or is none at all; nothing of it was kept."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        files: entries, pictures or not.
        bytes: unpacked size of all entries.
        ratio: unpacked size over the archive's own. Pictures hardly shrink; bombs do.
    """

    files: int = 100_000
    bytes: int = 2 * 2**30
    ratio: float = 100.0


def extract_pictures(archive: Path, folder: Path, limits: Limits | None = None) -> int:
    """Unpack the pictures in the zip file ``archive`` into the new folder ``folder``.

    Files that are no pictures by their suffix, hidden files and macOS's ``__MACOSX`` are left in
    the archive. Folders that all pictures share are dropped: ``set/train/1.png`` and
    ``set/train/2.png`` become ``1.png`` and ``2.png``.

    Args:
        archive: a zip file; not trusted.
        folder: must not exist yet, and nobody else may be unpacking into it.
        limits: what to accept.

    Returns:
        The number of pictures.

    Raises:
        HostileArchive: if it is no zip file, is damaged, has a dangerous entry, breaks a limit or
            holds no pictures. ``folder`` is not made then.
        LabError: if the archive is no file, the disk is full or the folder cannot be written.
    """
    with reading(archive, "get the pictures from another place"):
        try:
            with zipfile.ZipFile(archive) as opened:
                entries = opened.infolist()
                fault = next(_faults(entries, archive.stat().st_size, limits or Limits()), None)
                if fault is None:
                    return _extract(opened, folder)
        except UNSOUND as error:
            fault = f"it is no sound zip file ({error})"
        except OSError as error:
            raise write_error(folder, error) from error
    raise HostileArchive(
        f"{archive.name} is refused: {fault}; nothing of it was kept, so get the pictures from "
        "another place."
    )


def _faults(entries: list[zipfile.ZipInfo], packed: int, limits: Limits) -> Iterator[str]:
    """Yield what is wrong with an archive of ``packed`` bytes, as half sentences."""
    total = sum(entry.file_size for entry in entries)
    if len(entries) > limits.files:
        yield f"it has more than {limits.files:,} entries"
    if total > limits.bytes:
        yield f"it would unpack to more than {limits.bytes:,} bytes"
    if total > max(SMALL, limits.ratio * packed):
        yield f"it would grow more than {limits.ratio:.0f} times, like a bomb"
    files: set[PurePosixPath] = set()
    for entry in entries:
        if reason := _danger(entry):
            yield f"its entry {entry.filename!r} {reason}"
        # Two names that differ in case or in how an accent is written are one file on some disks.
        path = PurePosixPath(unicodedata.normalize("NFC", entry.filename).casefold())
        if path in files:
            yield f"its entry {entry.filename!r} is there twice"
        if not entry.is_dir():
            files.add(path)
    for path in files:
        if not files.isdisjoint(path.parents):
            yield f"its entry {str(path)!r} lies in a file"
    if not any(map(_is_picture, entries)):
        yield "it holds no pictures"


def _danger(entry: zipfile.ZipInfo) -> str | None:
    name = entry.orig_filename  # before Python's own mending
    path = PureWindowsPath(name)  # knows drives and both kinds of slash
    odd = "\\" in name or ":" in name or not name.isprintable()
    kind = stat.S_IFMT(entry.external_attr >> 16)
    usual = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    dangers = {
        "has no name": not entry.filename,
        "has an absolute path": path.anchor,
        "leads out of the folder": ".." in path.parts,
        "has a name that not every system understands": odd,
        "is a link or a device and no file": kind not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is encrypted": entry.flag_bits & 1,
        "is packed in an unusual way": entry.compress_type not in usual,
    }
    return next((words for words, is_so in dangers.items() if is_so), None)


def _is_picture(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not (hidden or entry.is_dir()) and path.suffix.lower() in SUFFIXES


def _extract(opened: zipfile.ZipFile, folder: Path) -> int:
    entries = list(filter(_is_picture, opened.infolist()))
    there = next(path for path in folder.absolute().parents if path.exists())
    if words := shortage(there, sum(entry.file_size for entry in entries)):
        raise LabError(f"{folder.name} cannot be unpacked: {words}; make room and try again.")
    shared = posixpath.commonpath([PurePosixPath(entry.filename).parent for entry in entries])
    # Always the same name, so that what a killed process left is cleared away by the next one.
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for entry in entries:
            path = temporary / PurePosixPath(entry.filename).relative_to(shared)
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": whatever the checks above may have missed, no file is ever written twice.
            with opened.open(entry) as source, path.open("xb") as goal:
                shutil.copyfileobj(source, goal)  # zipfile gives no more than the table says
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return len(entries)
