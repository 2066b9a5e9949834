"""``slae doctor``. Is everything there? One line per fact: [OK], [FAIL] with the mend, or [--]."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click

OPTIONAL = {
    "jupyterlab": "to open the notebooks",
    "nbval": "to run the notebooks as tests",
}
ROOM = 2.0  # GiB: weights, caches and a run


@click.command()
def doctor() -> None:
    """Check the installation: versions, device, weights, data, disk."""
    failed = False
    for line in examine():
        click.echo(line)
        failed |= line.startswith("[FAIL]")
    if failed:
        raise click.ClickException("Mend the lines with [FAIL] first.")


def examine() -> Iterator[str]:
    """Yield the lines of the examination, one fact each."""
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    yield f"[OK]   Python {platform.python_version()} on {where}"
    yield from _packages()
    yield from _torch()
    yield from _built_in_data()
    yield from _weights()
    yield from _disk()


def _packages() -> Iterator[str]:
    for name in ("slae-lib", *_needed(), *OPTIONAL):
        try:
            yield f"[OK]   {name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            if name in OPTIONAL:
                yield f"[--]   {name} is not installed; needed only {OPTIONAL[name]}."
            else:
                yield f'[FAIL] {name} is missing; pip install -e ".[dev]" in the lab\'s folder.'


def _needed() -> list[str]:
    """Return what the package itself says it needs, without its extras."""
    lines = [line for line in metadata.requires("slae-lib") or () if "extra ==" not in line]
    return sorted({re.split(r"[^\w.-]", line)[0] for line in lines})


def _torch() -> Iterator[str]:
    try:
        import torch
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except Exception as error:  # a broken pair fails in many ways, and a doctor must not
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield f"[FAIL] torch and torchvision do not fit together ({reason}); install both anew."
        return
    yield "[OK]   torch and torchvision work together"
    from slae_lib.support.device import in_words, pick_device

    device = pick_device()
    if device.type == "cpu":
        yield "[--]   no accelerator; --preset cpu-demo needs none"
    else:
        advice = "; try --preset paper-256" if device.type == "cuda" else ""
        yield f"[OK]   accelerator: {in_words(device)}{advice}"


def _built_in_data() -> Iterator[str]:
    from slae_lib.datasets import DATA_SETS
    from slae_lib.datasets.bank import MetadataBank
    from slae_lib.datasets.find import find_pictures
    from slae_lib.support.errors import LabError

    known = DATA_SETS["fluent-faces"]
    try:  # not by loading them, which would keep something in the user's cache
        count = len(find_pictures(known.folder))
        yield f"[OK]   built-in data: {count} pictures, {known.attribution}"
        bank = MetadataBank.load(known.folder.with_name("fluent_faces_metadata.safetensors"))
        yield f"[OK]   their metadata: {bank.layer}, {bank.values.shape[1]} numbers each"
    except LabError as error:
        yield f"[FAIL] {error}"


def _weights() -> Iterator[str]:
    from slae_lib.support.pretrained import WEIGHTS

    for file in WEIGHTS:
        if file.is_present():
            yield f"[OK]   {file.title}: {file.path()}"
        else:
            yield (
                f"[--]   {file.title} is not here; it will be downloaded when needed from "
                f"{file.url} to {file.path()}"
            )


def _disk() -> Iterator[str]:
    import torch

    from slae_lib.support.files import cache_folder

    for purpose, folder in {
        "runs": Path.cwd(),
        "the lab's cache": cache_folder(),
        "weights": Path(torch.hub.get_dir()),
    }.items():
        there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
        free = shutil.disk_usage(there).free / 2**30
        writable = os.access(there, os.W_OK)
        if not writable and purpose == "weights":  # a shared folder of them is no fault
            yield f"[--]   {folder}, for weights, may not be written to; none can be downloaded."
        elif not writable:
            yield f"[FAIL] {folder}, for {purpose}, may not be written to."
        elif free < ROOM:
            yield f"[FAIL] {folder}, for {purpose}: only {free:.1f} GiB free; make room."
        else:
            yield f"[OK]   {folder}, for {purpose}: {free:.0f} GiB free"
