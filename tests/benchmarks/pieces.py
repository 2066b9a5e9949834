"""A large file in pieces that are each small enough to be sent, and together again."""

import hashlib
from pathlib import Path

LIMIT = 16 * 2**20 - 2**16
"""Bytes of a piece at most, a little less than 16 MiB."""


class PiecesError(Exception):
    """The pieces do not make the file; the message says why."""


def split(file: Path, folder: Path, limit: int = LIMIT) -> dict[str, object]:
    """Write ``file`` into ``folder`` in pieces and return what `join` has to know."""
    content = file.read_bytes()
    names = []
    for number, start in enumerate(range(0, len(content), limit)):
        names.append(f"{file.stem}-{number}.part")
        (folder / names[-1]).write_bytes(content[start : start + limit])
    return {"pieces": names, "sha256": hashlib.sha256(content).hexdigest(), "name": file.name}


def join(folder: Path, known: dict[str, object]) -> Path:
    """Put the pieces in ``folder`` together again and return the file beside them.

    Raises:
        PiecesError: if one is missing or was changed.
    """
    content = bytearray()
    for name in known["pieces"]:
        piece = folder / str(name)
        if not piece.is_file():
            raise PiecesError(f"{piece} is missing; bring it from where the others came from")
        content += piece.read_bytes()
    if hashlib.sha256(content).hexdigest() != known["sha256"]:
        raise PiecesError(
            f"the pieces in {folder} are not those of {known['name']}; copy them again"
        )
    file = folder / str(known["name"])
    file.write_bytes(content)
    return file
