"""Results that come with the lab, for lessons that have no time to make them."""

from pathlib import Path

from slae_lib.support.errors import LabError
from slae_lib.support.files import stored_file

LONG_RUN = "demo"
"""The longest finished run that comes with the lab; a longer one needs its name here alone."""


def demo_run() -> Path:
    """Return the finished run of ``make demo`` that comes with the lab.

    Raises:
        LabError: if it is not there.
    """
    return _run("demo")


def long_run() -> Path:
    """Return the longest finished run that comes with the lab: its log, samples and generator.

    Raises:
        LabError: if it is not there.
    """
    return _run(LONG_RUN)


def _run(name: str) -> Path:
    folder = stored_file(name)
    if folder is None:
        raise LabError(f"data/{name} is not there; install the lab again.")
    return folder
