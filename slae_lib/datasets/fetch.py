"""Fetch a registered data set: download, check, unpack, once.

`support.downloads` brings the file and `archives` unpacks it. What the publishers do not say is
recorded: the checksum of the first download lies in ``NAME.json`` beside the set, and a later
download that differs is refused.
"""

import contextlib
import difflib
import re
import shutil
import tarfile
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pooch  # type: ignore[import-untyped]
from filelock import FileLock

from slae_lib.datasets import DATA_SETS, DataSetInfo
from slae_lib.datasets.archives import HostileArchive, extract_pictures
from slae_lib.datasets.find import find_pictures
from slae_lib.support.downloads import download, is_offline
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import writing
from slae_lib.support.sealed import read_json, reading, write_json

LARGEST_ARCHIVE = 512 * 2**20
"""Bytes of a download at most; the registered archives hold some hundred small pictures each."""


class UnexpectedCount(UserWarning):
    """A data set has more or fewer pictures than its publisher says."""


def fetch(name: str, *, announce: Callable[[str], None] = print, progress: bool = True) -> Path:
    """Bring a registered data set to this computer; one that is there already stays as it is.

    Args:
        name: from `DATA_SETS`.
        announce: is given the line about title, licence and source before the download.
        progress: show a progress bar.

    Returns:
        The folder with the pictures.

    Raises:
        UsageError: for a name that does not exist, and for a set that is not downloaded: the
            built-in one, and those that can only be had by hand (with the place).
        LabError: if the download fails, is another one than before, or is not safe to unpack.

    Warns:
        UnexpectedCount: if the number of pictures is not the publisher's.
    """
    if name not in DATA_SETS:
        close = difflib.get_close_matches(name, DATA_SETS, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UsageError(
            f"There is no data set {name!r}{hint}; the known ones are {', '.join(DATA_SETS)}."
        )
    info = DATA_SETS[name]
    folder = info.folder
    if info.builtin:
        raise UsageError(f"{name} comes with this package and needs no download; use it by name.")
    if _is_here(folder):
        return folder
    if info.origin == "by hand":
        raise UsageError(
            f"{name} can only be downloaded by hand: {info.source}; put its pictures into {folder}."
        )
    announce(f"{name}: {info.title}. Licence: {info.licence}. Source: {info.source}.")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{name}.lock")):
            if not _is_here(folder):  # another process may have brought it meanwhile
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()  # an empty folder would be in the way
                if info.origin == "torchvision":
                    _fetch_flowers(info)
                else:
                    _fetch_archive(info, progress)
    found = len(find_pictures(folder))
    if info.images is not None and found != info.images:
        words = f"{name} has {found} pictures, and its publisher names {info.images}."
        warnings.warn(words, UnexpectedCount, stacklevel=2)
    return folder


def record_file(info: DataSetInfo) -> Path:
    """Return the small JSON file that remembers the checksum of a set's first download."""
    return info.folder.with_name(f"{info.name}.json")


def _is_here(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _fetch_archive(info: DataSetInfo, progress: bool) -> None:
    assert info.url is not None
    archive = info.folder.with_name(f"{info.name}.zip")
    download(info.url, archive, sha256=info.sha256, size_limit=LARGEST_ARCHIVE, progress=progress)
    with reading(archive, f"put {info.name}.zip in its place"):
        digest = pooch.file_hash(archive)  # also of a file that somebody has put there by hand
    known, mend = _known_checksum(info)
    if not digest.startswith(known.lower()):
        archive.unlink()  # or the next try would meet it again
        raise LabError(
            f"{archive.name} is another file today than it was at {info.url} (SHA-256 "
            f"{digest[:16]}... instead of {known[:16]}...) and was not unpacked; {mend}."
        )
    try:
        count = extract_pictures(archive, info.folder)
    except HostileArchive:
        archive.unlink()
        raise
    record = {
        "url": info.url,
        "sha256": digest,
        "bytes": archive.stat().st_size,
        "pictures": count,
        "first_fetched": date.today().isoformat(),
    }
    if not record_file(info).exists():
        write_json(record_file(info), record)
    archive.unlink()


def _known_checksum(info: DataSetInfo) -> tuple[str, str]:
    """Return how the archive's checksum has to begin, and what to do if it does not."""
    path = record_file(info)
    if info.sha256 is not None:
        return info.sha256, "fetch the set again"
    if not path.exists():
        return "", ""
    with reading(path, f"delete it to accept {info.name} as it is downloaded now"):
        record = read_json(path)
        if not re.fullmatch(r"[0-9a-fA-F]{64}", record["sha256"]):
            raise ValueError("sha256 is no checksum")
        day = str(record.get("first_fetched", "an earlier day"))[:40]
        return record["sha256"], (
            f"the other one came on {day}, so if the publisher has changed the set since, delete "
            f"{path} and fetch it again"
        )


def _fetch_flowers(info: DataSetInfo) -> None:
    mend = f"put the pictures into {info.folder} by hand."
    if is_offline():
        raise LabError(
            f"{info.name} cannot be downloaded: SLAE_OFFLINE is set; unset it, or {mend}"
        )
    from torchvision.datasets import Flowers102

    # What torchvision has finished stays there for the next try.
    workshop = info.folder.with_name(f".{info.name}.torchvision")
    try:
        # Any split: all of them lie in one folder. torchvision knows and checks the checksums.
        Flowers102(str(workshop), split="train", download=True)
    except (OSError, RuntimeError, EOFError, tarfile.TarError, ImportError) as error:
        raise LabError(
            f"{info.name} could not be downloaded through torchvision ({error}); check the "
            f"connection and try again, or {mend}"
        ) from error
    (workshop / "flowers-102" / "jpg").rename(info.folder)
    shutil.rmtree(workshop, ignore_errors=True)
