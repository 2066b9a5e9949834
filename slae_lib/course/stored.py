"""Results that come with the lab, for lessons that have no time to make them."""

from pathlib import Path

from slae_lib.support.errors import LabError
from slae_lib.support.files import stored_file

LONG_RUN = "fluent-128"
"""The longest finished run that comes with the lab; a longer one needs its name here alone."""


def stored(name: str) -> Path:
    """Return the path of a file or folder of ``data/``.

    Raises:
        LabError: if it is not there.
    """
    path = stored_file(name)
    if path is None:
        mend = ", or run `make demo`" if name == "demo" else ""
        raise LabError(f"data/{name} is not there; install the lab again{mend}.")
    return path


def stored_run(name: str) -> Path:
    """Return the folder of a finished run that comes with the lab, such as ``"demo"``."""
    return stored(name)


def demo_run() -> Path:
    """Return the finished run of ``make demo`` that comes with the lab.

    Raises:
        LabError: if it is not there.
    """
    return stored_run("demo")


def long_run() -> Path:
    """Return the longest finished run that comes with the lab: its log, samples and generator.

    Raises:
        LabError: if it is not there.
    """
    return stored_run(LONG_RUN)
