"""Take the pictures out of a zip file that a stranger made.

An archive can name files outside the folder it is unpacked into, carry links, or grow from a
megabyte to a terabyte. All names and sizes are looked at before the first byte is written, and
the folder appears only when it is whole.
"""

import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from slae_lib.datasets.pictures import SUFFIXES
from slae_lib.support.errors import LabError
from slae_lib.support.files import write_error

CHUNK = 1 << 20  # bytes
SMALL = 10 * 2**20
"""Archives that unpack to no more than this many bytes may be packed as tightly as they like."""


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
    bytes: int = 8 * 2**30
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
        LabError: if the disk is full or the folder cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _check(archive, entries, limits or Limits())
            goals = _goals(archive, entries)
            _check_room(folder, entries)
            _extract(opened, goals, folder)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError) as error:
        raise _refusal(archive, f"it is no sound zip file ({error})") from error
    except NotImplementedError as error:  # a later version of the format
        raise _refusal(archive, f"it cannot be unpacked ({error})") from error
    except OSError as error:
        raise write_error(folder, error) from error
    return len(goals)


def _refusal(archive: Path, reason: str) -> HostileArchive:
    return HostileArchive(
        f"{archive.name} is refused: {reason}; nothing of it was kept, so get the pictures from "
        "another place."
    )


def _check(archive: Path, entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(entries) > limits.files:
        raise _refusal(archive, f"it has more than {limits.files:,} entries")
    total = sum(entry.file_size for entry in entries)
    if total > limits.bytes:
        raise _refusal(archive, f"it would unpack to more than {limits.bytes:,} bytes")
    if total > SMALL and total > limits.ratio * archive.stat().st_size:
        raise _refusal(archive, f"it would grow more than {limits.ratio:.0f} times, like a bomb")
    files: set[PurePosixPath] = set()
    for entry in entries:
        if reason := _danger(entry):
            raise _refusal(archive, f"its entry {entry.filename!r} {reason}")
        if entry.is_dir():
            continue
        # Two names that differ in case or in how an accent is written are one file on some disks.
        path = PurePosixPath(unicodedata.normalize("NFC", entry.filename).casefold())
        if path in files:
            raise _refusal(archive, f"its entry {entry.filename!r} is there twice")
        files.add(path)
    for path in files:
        if not files.isdisjoint(path.parents):
            raise _refusal(archive, f"its entry {str(path)!r} lies in a file")


def _danger(entry: zipfile.ZipInfo) -> str | None:
    """Return what is dangerous about ``entry``, or None."""
    name = entry.orig_filename  # before Python's own mending
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "leads out of the folder"
    if "\\" in name or ":" in name or not name.isprintable():
        return "has a name that not every system understands"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device and no file"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in an unusual way"
    return None


def _goals(archive: Path, entries: list[zipfile.ZipInfo]) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Return the pictures by the path that they will have below the folder."""
    pictures = {
        PurePosixPath(entry.filename): entry
        for entry in entries
        if not entry.is_dir() and _is_picture(PurePosixPath(entry.filename))
    }
    if not pictures:
        raise _refusal(archive, "it holds no pictures")
    shared = PurePosixPath(os.path.commonpath([path.parent for path in pictures]))
    return {path.relative_to(shared): entry for path, entry in pictures.items()}


def _is_picture(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in SUFFIXES


def _check_room(folder: Path, entries: list[zipfile.ZipInfo]) -> None:
    needed = sum(entry.file_size for entry in entries)
    there = next(path for path in folder.absolute().parents if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise LabError(
            f"The disk of {folder} has {free / 1e6:,.0f} MB free, and the pictures need "
            f"{needed / 1e6:,.0f} MB; make room and try again."
        )


def _extract(
    opened: zipfile.ZipFile, goals: dict[PurePosixPath, zipfile.ZipInfo], folder: Path
) -> None:
    # Always the same name, so that what a killed process left is cleared away by the next one.
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for relative, entry in goals.items():
            path = temporary / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": whatever the checks above may have missed, no file is ever written twice.
            with opened.open(entry) as source, path.open("xb") as goal:
                _copy(source, goal, entry.file_size)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy(source: IO[bytes], goal: IO[bytes], size: int) -> None:
    """Copy ``source`` and stop if it is longer than the archive's table says."""
    copied = 0
    while chunk := source.read(CHUNK):
        copied += len(chunk)
        if copied > size:
            raise zipfile.BadZipFile("an entry is longer than it says")
        goal.write(chunk)
