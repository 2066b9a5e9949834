"""Fetches Colab's own list of its packages: python tests/colab/refresh.py

The list is what `pip freeze` says in Colab's runtime with a GPU. It is written beside this file,
with the day in its name, in place of the one that is there.
"""

import datetime
import re
import sys
import urllib.request
from pathlib import Path

from packaging.utils import parse_wheel_filename

HERE = Path(__file__).parent
ADDRESS = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.gpu.txt"


def as_list(frozen: str, day: datetime.date, python: str) -> str:
    """Return the list as it is kept: packages with versions, and none of the addresses.

    Args:
        frozen: what `pip freeze` said; a package that was installed from an address has that in
            place of a version, and is left out if the address does not tell one either.
        day: for the head.
        python: Colab's version, used where no wheel tells it.
    """
    lines = []
    for line in frozen.splitlines():
        name, _, address = line.partition(" @ ")
        if address:
            wheel = address.partition("#")[0].rpartition("/")[2].replace("%2B", "+")
            if not wheel.endswith(".whl"):
                continue
            _, version, _, tags = parse_wheel_filename(wheel)
            line = f"{name}=={version}"
            found = [re.fullmatch(r"cp3(\d+)", tag.interpreter) for tag in tags]
            python = next((f"3.{it[1]}" for it in found if it), python)
        if re.fullmatch(r"[\w.-]+==\S+", line):
            lines.append(line)
    head = (
        "# Packages of Google Colab's runtime, from the repository googlecolab/backend-info, "
        f"pip-freeze.gpu.txt, {day} (Python {python}); addresses replaced by versions."
    )
    return "\n".join([head, *lines]) + "\n"


def kept() -> Path:
    """The newest list that is here."""
    return max(HERE.glob("packages-*.txt"))


def refresh(address: str = ADDRESS) -> Path:
    """Fetch the list and put it in place of the one that is here."""
    before = kept()
    (python,) = re.findall(r"\(Python ([\d.]+)\)", before.read_text("utf-8"))
    with urllib.request.urlopen(address, timeout=60) as answer:
        frozen = answer.read().decode("utf-8")
    day = datetime.datetime.now(datetime.UTC).date()
    path = HERE / f"packages-{day}.txt"
    before.unlink()
    path.write_text(as_list(frozen, day, python), encoding="utf-8")
    return path


if __name__ == "__main__":
    print(refresh(*sys.argv[1:]))
