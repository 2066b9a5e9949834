"""Writing files so that nothing is ever half there."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from slae_lib.support.errors import LabError


def cache_folder() -> Path:
    """Return the folder for what can be made or fetched again.

    It is ``$SLAE_CACHE``, or the user's cache folder if that is not set. Nothing is created.
    """
    chosen = os.environ.get("SLAE_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("slae-lab")


def stored_file(name: str) -> Path | None:
    """Return the path of a file or folder that comes with this project; None if it is not there.

    An installed package has it inside, in ``data/``. In a checkout it lies beside the package: in
    ``data/``, in ``figures/`` (``results/...``), or at the top (``notebooks``).
    """
    package = Path(__file__).parents[1]
    lab = package.parent
    folders = (package / "data", lab / "data", lab / "figures", lab)
    return next((path for folder in folders if (path := folder / name).exists()), None)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path`` that takes its place only when all went well.

    Whoever reads ``path`` sees the old content or the new, never half of one; on an error the
    old content stays.

    Raises:
        LabError: if the disk is full, the folder cannot be written, or the name is no text.
    """
    if str(path).encode(errors="ignore").decode() != str(path):  # safetensors could not read it
        raise LabError(f"{path} is no text in UTF-8; give another name.")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.umask(mask := os.umask(0))
        # A temporary file is private; a result is as readable as any other file.
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def meant_for(path: Path) -> str:
    """Return the name that a temporary file of `atomic_write` was to get; no other file has any."""
    found = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}", path.name)
    return found[1] if found else ""


def check_still_there(folder: Path, was_there: bool = True) -> None:
    """Raise `LabError` if a folder was deleted while what belongs into it was made."""
    if was_there and not folder.is_dir():
        raise LabError(f"{folder} was deleted meanwhile and is not half made again; start anew.")


def short(name: str, most: int = 100) -> str:
    """Return a name of a file or folder as it is, or its first ``most`` bytes, always as text."""
    return os.fsencode(name)[:most].decode(errors="replace")


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written; nothing is left behind.

    Raises:
        LabError: if it cannot be written.
    """
    if path.is_dir():
        raise LabError(
            f"{path} is a folder; give the name of a file, such as {path / 'results.json'}."
        )
    with writing(path):
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        tempfile.TemporaryFile(dir=folder).close()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence why a file or a folder could not be written.

    Raises:
        LabError: in place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> LabError:
    """Return the sentence for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = next(parent for parent in path.resolve().parents if parent.exists())
        free = shutil.disk_usage(folder).free / 2**20
        return LabError(
            f"{path} could not be written: the disk is full ({free:.0f} MiB free); what was there "
            "before is intact, so make room and go on."
        )
    if error.errno == errno.ENAMETOOLONG:
        return LabError(f"{path.name} is too long a name for this drive; give a shorter one.")
    return LabError(
        f"{path} could not be written ({error.strerror or error}); "
        "choose a folder that you may write to."
    )
