"""A pretended Colab machine: folders, Colab's own module, and a guard around them."""

import os
import re
from importlib import metadata
from pathlib import Path

from slae_lib.course import repository

# Runs in every Python of the machine before anything else: there is no lab but the installed one,
# and whoever writes outside, or asks another computer, fails.
GUARD = """
import os, sys
MACHINE = {machine!r}
sys.path[:] = [
    path for path in sys.path
    if path.startswith(MACHINE) or not os.path.isdir(os.path.join(path, "slae_lib"))
]

def watch(event, told):
    if event == "socket.connect" and isinstance(told[1], tuple):
        if told[1][0] not in ("127.0.0.1", "localhost", "::1"):
            raise PermissionError(f"asks another computer: {{told[1]}}")
    paths = {{"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2}}.get(event, 0)
    if event == "open" and isinstance(told[0], (str, bytes)):
        paths = int(bool(told[2] & (os.O_WRONLY | os.O_RDWR)))
    for path in told[:paths]:
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith((MACHINE, "/dev/", "/proc/")):
            raise PermissionError(f"writes outside its folders: {{path}}")

sys.addaudithook(watch)
"""
COLAB = """
import subprocess, sys
from IPython import get_ipython

def pip(line):
    assert line == {command!r}, line
    take = ["--no-deps", "--no-index", "--quiet", "--target", {site!r}, {wheel!r}]
    subprocess.run([sys.executable, "-m", "pip", "install", *take], check=True)

get_ipython().register_magic_function(pip, "line", "pip")
"""
DRIVE = """
from pathlib import Path

def mount(mountpoint, force_remount=False):
    (Path(mountpoint) / "MyDrive").mkdir(parents=True, exist_ok=True)
"""


def new_machine(folder: Path, wheel: Path) -> dict[str, str]:
    """Make a machine without the lab.

    Args:
        folder: where its folders come: `content`, `home`, `tmp`, and `site` for packages.
        wheel: what its pip installs in place of the lab's address.

    Returns:
        The environment of its processes, which tells nothing of this computer's caches and weights.
    """
    for name in ("content", "home", "tmp", "site/google/colab"):
        (folder / name).mkdir(parents=True)
    site, version = folder / "site", metadata.version("slae-lib")
    command = f'install -q "slae-lib @ git+{repository()}@v{version}"'
    files = {
        "sitecustomize.py": GUARD.format(machine=f"{folder}{os.sep}"),
        "google/colab/__init__.py": COLAB.format(command=command, site=str(site), wheel=str(wheel)),
        "google/colab/drive.py": DRIVE,
    }
    for name, text in files.items():
        (site / name).write_text(text, encoding="utf-8")
    dropped = re.compile(r"SLAE_|TORCH_HOME|XDG_|JUPYTER|IPYTHON|MPL|PYTHON")
    kept = {name: value for name, value in os.environ.items() if not dropped.match(name)}
    folders = {"HOME": "home", "TMPDIR": "tmp", "PYTHONPATH": "site"}
    told = {name: str(folder / inner) for name, inner in folders.items()}
    return kept | told | {"PYTHONDONTWRITEBYTECODE": "1"}
