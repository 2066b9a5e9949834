"""The kinds of files, who reads them, and what is made of what they say of a damaged one."""

from pathlib import Path
from typing import NamedTuple

from damage import CHANGES, Bytes, Damage, change, edit, plant
from forked import Outcome
from forms import CHECKPOINT, CSV, JSON, SAFETENSORS, ZIP, Form
from good import FETCHED, digest, enter, features, slae, temporaries, tried
from readers import (
    BANK,
    GENERATOR,
    KEPT,
    RUN,
    Reader,
    averaged,
    backtrack,
    bank,
    bank_of_data,
    cache_commands,
    checkpoint,
    clear_cache,
    explorer,
    export,
    facts,
    fetched,
    film,
    held,
    history,
    losses,
    monitor,
    of_file,
    pictures,
    progress_pictures,
    resume,
    resume_by_command,
    sample,
    submitted,
    table_of_results,
    unpacked,
    weights,
)  # fmt: skip

from slae_lib.ablation.records import load_record
from slae_lib.ablation.results import AblationResults
from slae_lib.training.run import RunInfo


class Kind(NamedTuple):
    """A kind of file.

    Args:
        file: one of them, below the good files; a pattern with one match.
        readers: who reads it.
        ours: whether a change of its bytes has to be noticed.
        forms: how its content is taken apart and put together.
    """

    file: str
    readers: tuple[Reader, ...]
    ours: bool = True
    forms: tuple[Form, ...] = ()


SLOW = {explorer, resume, resume_by_command, export, backtrack}
"""Readers that take seconds, and are called for fewer inputs."""

KINDS: dict[str, Kind] = {
    "checkpoint": Kind(
        "run/checkpoints/step-0000003.pt",
        (checkpoint, averaged, monitor, explorer, resume, resume_by_command),
        forms=CHECKPOINT,
    ),
    "generator": Kind(
        str(GENERATOR),
        (of_file(weights, GENERATOR), of_file(facts, GENERATOR), of_file(sample, RUN),
         explorer, export, backtrack),
        forms=SAFETENSORS,
    ),
    "kept generator": Kind(
        str(KEPT),
        (of_file(weights, KEPT), of_file(sample, KEPT), of_file(facts, KEPT), explorer,
         resume),
        forms=SAFETENSORS,
    ),
    "metadata": Kind(
        str(BANK),
        (of_file(bank, BANK), of_file(sample, RUN), explorer, export,
         lambda: slae("metadata", "show", str(BANK))),
        forms=SAFETENSORS,
    ),
    "latent": Kind("latent.safetensors", (film,), forms=SAFETENSORS),
    "cached metadata": Kind(
        "cache/metadata/*.safetensors", (bank_of_data, resume), forms=SAFETENSORS
    ),
    "run.json": Kind(
        "run/run.json",
        (lambda: vars(RunInfo.load(RUN)), monitor, explorer, resume, export,
         backtrack, resume_by_command),
        ours=False, forms=(JSON,),
    ),
    "metrics.csv": Kind(
        "run/metrics.csv",
        (lambda: losses(RUN), monitor, history, resume, export),
        ours=False, forms=(CSV,),
    ),
    "sample grid": Kind(
        "run/samples/0000003.png",
        (progress_pictures, monitor, resume, export), ours=False,
    ),
    "kept features": Kind(
        "cache/features/*.safetensors", (features,), forms=SAFETENSORS
    ),
    "index": Kind(
        "cache/pictures/????????????????.json",
        (pictures, cache_commands, clear_cache), ours=False, forms=(JSON,),
    ),
    "pixels": Kind("cache/pictures/*.pixels", (pictures, cache_commands, clear_cache)),
    "download record": Kind(
        f"cache/datasets/{FETCHED}.json",
        (fetched, lambda: slae("data", "fetch", FETCHED)), ours=False, forms=(JSON,),
    ),
    "archive": Kind(
        f"cache/datasets/{FETCHED}.zip", (unpacked, fetched), ours=False,
        forms=(ZIP,),
    ),
    "record of a trial": Kind(
        "ablation/slae-0/ablation.json",
        (lambda: load_record(Path("ablation/slae-0")), submitted), ours=False, forms=(JSON,),
    ),
    "run.json of a trial": Kind(
        "ablation/slae-0/run.json", (submitted,), ours=False, forms=(JSON,)
    ),
    "results of an ablation": Kind(
        "results.json",
        (lambda: vars(AblationResults.load(Path("results.json"))), table_of_results),
        ours=False, forms=(JSON,),
    ),
    "table of a class": Kind("table.csv", (submitted,), ours=False, forms=(CSV,)),
    "picture": Kind("data/0.png", (pictures,), ours=False),
    "photograph": Kind("data/2.jpg", (pictures,), ours=False),
    "other picture": Kind("data/3.webp", (pictures,), ours=False),
    "lock": Kind("run/.lock", (held, resume), ours=False),
}  # fmt: skip


def attempt(root: Path, name: str, reader: Reader, damage: Damage | None, expected: str) -> Outcome:
    """Damage one file of a kind, let it be read, and judge what comes of it.

    Without a damage the checksum of what is read comes back, as the outcome's place.
    """
    kind = KINDS[name]
    work = enter(root)
    (path,) = work.glob(kind.file)
    if damage is not None:
        others = [other for one in KINDS.values() for other in (root / "good").glob(one.file)]
        plant(path, _content(path, kind, damage), damage, others)
    outcome, value, warned = tried(reader)
    if left := temporaries(work):
        return Outcome("left over", ", ".join(left))
    if outcome is not None:
        return outcome
    found, finite = digest(value)
    if damage is None:
        return Outcome("as before", found)
    if warned:
        return Outcome("warned")
    if found == expected:
        return Outcome("as before")
    changed = isinstance(damage, Bytes) and damage.how in CHANGES
    if not finite or (kind.ours and changed):
        what = "it is read as something else" if finite else "numbers that are none are read"
        return Outcome("silent", f"{reader.__name__}: {what}")
    return Outcome("otherwise")


def _content(path: Path, kind: Kind, damage: Damage) -> bytes | None:
    """Return the damaged bytes; None where something else comes in the place of the file."""
    if isinstance(damage, Bytes):
        return change(path.read_bytes(), damage) if damage.how in CHANGES else None
    read, write = kind.forms[damage.form]
    made = path.with_name("made")
    try:
        write(edit(read(path), damage), made)
        return made.read_bytes()
    except Exception:  # nobody can write such a file
        return change(path.read_bytes(), Bytes("some bits", "head", damage.edits[0][1]))
    finally:
        made.unlink(missing_ok=True)
