"""What is kept of picture folders from one start to the next: an index, and decoded pixels.

They lie under ``pictures/`` in the lab's cache folder: ``KEY.json``, the index of a folder's files,
and ``KEY-RESOLUTION.pixels``, uint8 (N, 3, R, R), the N checksums of the pictures, and a seal that
says what it was made of. As for make and git, a file counts as unchanged while its size and its
time stay the same.
"""

import contextlib
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import PIL
import torch
from filelock import FileLock
from torch import Tensor

from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, cache_folder
from slae_lib.support.sealed import read_json, reading

FORMAT = 2
LARGEST_SHARE, LARGEST = 0.25, 10e9
"""All together takes at most this share of the free disk and this many bytes."""
LIMIT = "SLAE_CACHE_LIMIT"  # in place of both, in GB


class Index(NamedTuple):
    """What is known of the files of a folder, by their names.

    Args:
        stamps: of all files (see `stamps_of`).
        digests: of the usable ones.
        reasons: why the others are skipped.
    """

    stamps: dict[str, str]
    digests: dict[str, str]
    reasons: dict[str, str]


def stamps_of(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """Return what tells that a file has changed: size, time, and whether it may be read."""
    stamps = {}
    for file in files:
        path = f"{folder}/{file}"
        try:
            found = os.stat(path)
            may = found.st_mode & 0o444 == 0o444 or os.access(path, os.R_OK)
            stamps[file] = f"{found.st_size} {found.st_mtime_ns}{'' if may else ' closed'}"
        except OSError:
            stamps[file] = "missing"
    return stamps


def fingerprint(digests: Mapping[str, str]) -> str:
    """Return the SHA-256 (hex) over the names and digests of a set's files."""
    total = hashlib.sha256()
    for name, digest in digests.items():
        # A file name on Linux may be no valid text at all.
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest.encode() + b"\n")
    return total.hexdigest()


def index_file(folder: Path) -> Path:
    """Return where the index of a folder is, whether or not it is there."""
    whole = str(folder.resolve()).encode("utf-8", "surrogateescape")
    return room() / f"{hashlib.sha256(whole).hexdigest()[:16]}.json"


def read_index(folder: Path) -> Index:
    """Return what is known of a folder's files: nothing if there is no index or it is damaged."""
    path = index_file(folder)
    with contextlib.suppress(LabError), reading(path, "delete it"):
        content = read_json(path)
        index = Index(content["stamps"], content["digests"], content["reasons"])
        if content["seal"] == _seal(index):
            return index
    return Index({}, {}, {})


def write_index(folder: Path, index: Index) -> None:
    """Keep what is known of a folder's files.

    Raises:
        LabError: if it cannot be written.
    """
    about = {"folder": str(folder.resolve()), "pictures": len(index.digests), "seal": _seal(index)}
    with atomic_write(index_file(folder)) as temporary:
        temporary.write_text(json.dumps(about | index._asdict()), encoding="utf-8")


def _seal(index: Index) -> str:
    return hashlib.sha256(json.dumps([FORMAT, index]).encode()).hexdigest()


class Pixels(NamedTuple):
    """The decoded pictures of a set, in one file.

    Args:
        path: of the file, whether or not it is there.
        pictures: how many.
        resolution: side length of the pictures.
        fingerprint: of the set.
    """

    path: Path
    pictures: int
    resolution: int
    fingerprint: str

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return self.pictures * 3 * self.resolution**2

    def seal(self) -> bytes:
        """Return what the file ends with: what it is made of, and by what."""
        return hashlib.sha256(f"{FORMAT} {PIL.__version__} {self.fingerprint}".encode()).digest()

    def read(self, rows: Sequence[int]) -> Tensor:
        """Return the pictures in the given rows: (B, 3, R, R) uint8.

        They are read and not mapped, so that no page of the file counts as the process's memory.

        Raises:
            OSError: if the file is gone or damaged, or another set's by now.
        """
        pictures = torch.empty(len(rows), 3, self.resolution, self.resolution, dtype=torch.uint8)
        if not self.path.is_file():
            raise OSError(f"{self.path} is no file")
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.size + 4 * self.pictures)
            if file.read(len(self.seal()) + 1) != self.seal():
                raise OSError(f"{self.path} holds other pictures")
            for row, picture in zip(rows, pictures, strict=True):
                file.seek(row * picture.nbytes)
                file.readinto(picture.numpy())
                file.seek(self.size + 4 * row)
                if file.read(4) != checksum(picture):
                    raise OSError(f"{self.path} is damaged")
        return pictures


def checksum(picture: Tensor) -> bytes:
    """Return the four bytes that tell whether a picture, uint8, is the one that was stored."""
    return zlib.crc32(picture.numpy().data).to_bytes(4)


def pixels_of(folder: Path, index: Index, resolution: int) -> Pixels:
    """Return where the decoded pictures of a folder are, whether or not they are there."""
    path = room() / f"{index_file(folder).stem}-{resolution}.pixels"
    return Pixels(path, len(index.digests), resolution, fingerprint(index.digests))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time read a folder for the first time; the others find the result."""
    with contextlib.ExitStack() as stack:
        # A folder that is read-only or far away may have no locks.
        with contextlib.suppress(OSError, NotImplementedError):
            room().mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(index_file(folder).with_suffix(".lock")))
            for half_written in room().glob(f".{index_file(folder).stem}*"):
                _delete(half_written)  # by a process that was killed
        yield


def limit() -> int:
    """Return how many bytes all together may take.

    Raises:
        UsageError: if the environment variable is no number of GB.
    """
    there = next(path for path in (room(), *room().parents) if os.path.exists(path))
    most = shutil.disk_usage(there).free + sum(size for _, size, _ in _files())
    chosen = os.environ.get(LIMIT) or min(LARGEST, LARGEST_SHARE * most) / 1e9
    try:
        return min(most, max(0, int(float(chosen) * 1e9)))
    except (ValueError, OverflowError):
        raise UsageError(f"{LIMIT} is {chosen!r}; give a number of GB, such as 20.") from None


def make_room(size: int) -> bool:
    """Delete the pixels not used for longest until ``size`` bytes more fit.

    Returns False, and deletes nothing, if that can never be.
    """
    files = _files()
    too_many = sum(size for _, size, _ in files) + size - limit()
    if size > limit():
        return False
    for path, freed, _ in files:
        if too_many > 0 and ".pixels" in path.name and _delete(path):  # half-written ones too
            too_many -= freed
    return True


def all_kept() -> list[tuple[Path, int, int | None, int, float]]:
    """Return what is kept, the most recently used first.

    Of each file the folder, its number of pictures, their resolution (None for the index), the
    size in bytes and the Unix time of use.
    """
    folders = {}
    for path in room().glob("*.json"):
        with contextlib.suppress(LabError), reading(path, "delete it"):
            content = read_json(path)
            folders[path.stem] = Path(content["folder"]), int(content["pictures"])
    found = []
    for path, size, used in reversed(_files()):
        stem, _, side = path.stem.partition("-")
        if path.suffix in (".json", ".pixels") and stem in folders:
            found.append((*folders[stem], int(side) if side else None, size, used))
    return found


def clear(folder: Path | None = None) -> int:
    """Delete what is kept of a folder, or of all, and return how many bytes that were."""
    stem = "" if folder is None else index_file(folder).stem
    ours = [(path, size) for path, size, _ in _files() if stem in path.name and size]  # no locks
    return sum(size for path, size in ours if _delete(path))


def room() -> Path:
    """Return the folder that all of it lies in."""
    return cache_folder().absolute() / "pictures"


def _files() -> list[tuple[Path, int, float]]:
    """Return all files with size and time of use, the longest unused first."""
    found = []
    for path in room().glob("*"):
        with contextlib.suppress(OSError):
            facts = path.stat()
            found.append((path, facts.st_size, facts.st_mtime))
    return sorted(found, key=lambda file: file[2])


def _delete(path: Path) -> bool:
    with contextlib.suppress(OSError):  # on Windows another process may be reading it
        path.unlink(missing_ok=True)
        return True
    return False
