"""Fetch a registered data set: download, check, unpack, once.

What the publishers do not say is recorded: the checksum of the first download lies in
``NAME.json`` beside the set, and a later download that differs is refused.
"""

import contextlib
import difflib
import hashlib
import json
import shutil
import tarfile
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path

from filelock import FileLock

from slae_lib.datasets import DATA_SETS, DataSetInfo
from slae_lib.datasets.archives import HostileArchive, Limits, extract_pictures
from slae_lib.datasets.pictures import find_pictures
from slae_lib.support.downloads import download, is_offline
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, write_error

LARGEST_ARCHIVE = 512 * 2**20
"""Bytes of a download at most; the registered archives hold some hundred small pictures each."""
LIMITS = Limits(bytes=2 * 2**30)


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
    info = _registered(name)
    if info.builtin:
        raise UsageError(f"{name} comes with this package and needs no download; use it by name.")
    if _is_here(info.folder):
        return info.folder
    if info.origin == "by hand":
        raise UsageError(
            f"{name} can only be downloaded by hand: {info.source}; "
            f"put its pictures into {info.folder}."
        )
    announce(f"{name}: {info.title}. Licence: {info.licence}. Source: {info.source}.")
    get = _fetch_flowers if info.origin == "torchvision" else _fetch_archive
    try:
        info.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(info.folder.with_name(f".{name}.lock")):
            if not _is_here(info.folder):  # another process may have brought it meanwhile
                with contextlib.suppress(FileNotFoundError):
                    info.folder.rmdir()  # an empty folder would be in the way
                get(info, progress)
    except OSError as error:
        raise write_error(info.folder, error) from error
    found = len(find_pictures(info.folder))
    if info.images is not None and found != info.images:
        warnings.warn(
            f"{name} has {found} pictures, and its publisher names {info.images}.",
            UnexpectedCount,
            stacklevel=2,
        )
    return info.folder


def record_file(info: DataSetInfo) -> Path:
    """Return the small JSON file that remembers the checksum of a set's first download."""
    return info.folder.with_name(f"{info.name}.json")


def _registered(name: str) -> DataSetInfo:
    if name in DATA_SETS:
        return DATA_SETS[name]
    close = difflib.get_close_matches(name, DATA_SETS, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise UsageError(
        f"There is no data set {name!r}{hint}; the known ones are {', '.join(DATA_SETS)}."
    )


def _is_here(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _fetch_archive(info: DataSetInfo, progress: bool) -> None:
    assert info.url is not None
    archive = info.folder.with_name(f"{info.name}.zip")
    download(info.url, archive, sha256=info.sha256, size_limit=LARGEST_ARCHIVE, progress=progress)
    # Also for a file that somebody has put there by hand.
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        _check_digest(info, digest)
        count = extract_pictures(archive, info.folder, LIMITS)
    except (HostileArchive, _AnotherFile):
        archive.unlink()  # or the next try would meet it again
        raise
    record = {
        "url": info.url,
        "sha256": digest,
        "bytes": archive.stat().st_size,
        "pictures": count,
        "first_fetched": date.today().isoformat(),
    }
    if not record_file(info).exists():
        with atomic_write(record_file(info)) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    archive.unlink()


class _AnotherFile(LabError):
    """A download has another checksum than the one that was published or recorded."""


def _check_digest(info: DataSetInfo, digest: str) -> None:
    if info.sha256 is not None:
        if not digest.startswith(info.sha256.lower()):
            raise _AnotherFile(
                f"{info.name}.zip has the SHA-256 checksum {digest[:16]}... instead of "
                f"{info.sha256}; it was deleted, so fetch the set again."
            )
        return
    path = record_file(info)
    if not path.exists():
        return
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        recorded, day = str(record["sha256"]), str(record.get("first_fetched", "an earlier day"))
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{path} is damaged; delete it to accept {info.name} as it is downloaded now."
        ) from error
    if digest != recorded:
        raise _AnotherFile(
            f"{info.url} gives another file today (SHA-256 {digest[:16]}...) than on {day} "
            f"({recorded[:16]}...), and it was not unpacked; if the publisher has changed the "
            f"set, delete {path} and fetch it again."
        )


def _fetch_flowers(info: DataSetInfo, progress: bool) -> None:
    del progress  # torchvision always shows its own bar
    if is_offline():
        raise LabError(
            f"{info.name} cannot be downloaded: SLAE_OFFLINE is set; unset it, or put the "
            f"pictures into {info.folder} by hand."
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
            f"connection and try again, or put the pictures into {info.folder} by hand."
        ) from error
    (workshop / "flowers-102" / "jpg").rename(info.folder)
    shutil.rmtree(workshop, ignore_errors=True)
