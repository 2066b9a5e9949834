"""Run notebooks from the first cell to the last and store what comes out: `make notebooks`.

    python notebooks/execute.py                        # all of them
    python notebooks/execute.py 02_spatial_attention   # only this one

It stands beside the notebooks, and not in the package, since only who writes them needs it.

A notebook is stored only if it ran without an error and without a word on stderr (which the
tests would compare, and which looks like a fault to a reader). Its badge and its set-up cell are
written anew, with the version and the address of pyproject.toml. What would differ from computer
to computer for no reason is left out: times, absolute paths, versions in the metadata. The map
of the course and the table in README.md are made anew from slae_lib/course/lessons.py as well.
"""

import asyncio
import os
import re
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL.PngImagePlugin import PngInfo

from slae_lib.course import badge, set_up_cell
from slae_lib.course.figures.reading_order import reading_order_figure
from slae_lib.course.lessons import LESSONS

NOTEBOOKS = Path(__file__).resolve().parent
ROOT = NOTEBOOKS.parent
CELL_SECONDS = 600
KEPT_METADATA = ("tags", "nbgrader", "nbval_reason")
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


class NotStored(Exception):
    """A notebook may not be stored; the message names it and its cell, and says why."""


class ThisPython(KernelSpecManager):
    """Start the kernel with this Python, whatever kernels are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the only kernel there is."""
        quiet = "--IPKernelApp.log_level=40"  # errors alone
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", quiet]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


def project() -> tuple[str, str]:
    """Return the version and the repository's address."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)["project"]
    return told["version"], told["urls"]["Repository"]


def place_standard_parts(notebook: NotebookNode, name: str) -> None:
    """Write badge and set-up cell anew, where they are already."""
    version, address = project()
    lines = notebook.cells[0].source.split("\n")
    for index, line in enumerate(lines):
        if line.startswith("[![Open in Colab]"):
            lines[index] = badge(name, version, address)
    notebook.cells[0].source = "\n".join(lines)
    for cell in notebook.cells:
        if "set-up" in cell.metadata.get("tags", []):
            cell.source = set_up_cell(name, version, address)


def run(notebook: NotebookNode, folder: Path, name: str) -> None:
    """Run all cells in a fresh kernel; outputs are replaced.

    Raises:
        NotStored: if a cell fails or writes to stderr.
    """
    manager = AsyncKernelManager(kernel_spec_manager=ThisPython())
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise NotStored(f"{name}: a cell failed, so nothing was stored.\n{error}") from None
    for index, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # of a check, which lets the others run
                raise NotStored(f"{name}, cell {index}: a check failed: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                raise NotStored(
                    f"{name}, cell {index}: it writes to stderr, so nothing was stored; "
                    f"silence its cause:\n{output.text}"
                )


def normalise(notebook: NotebookNode) -> None:
    """Leave out what is not the lesson."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = without_paths(output.text)
            elif "data" in output:
                for kind, content in output.data.items():
                    if kind.startswith("text/"):
                        output.data[kind] = without_paths(content)


def without_paths(text: str) -> str:
    """Replace the folders of this computer by what they are."""
    folders = {ROOT: "<lab>", Path(tempfile.gettempdir()): "<tmp>", Path.home(): "<home>"}
    for folder, meaning in folders.items():
        if len(folder.parts) > 1:
            text = text.replace(str(folder), meaning)
    return text


def store(notebook: NotebookNode, path: Path) -> None:
    """Write the notebook whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def execute(path: Path) -> float:
    """Run one notebook and store it; return the seconds that it took.

    Raises:
        NotStored: if it may not be stored; the file is then as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    place_standard_parts(notebook, path.stem)
    start = time.perf_counter()
    run(notebook, path.parent, path.stem)
    seconds = time.perf_counter() - start
    normalise(notebook)
    nbformat.validate(notebook)
    store(notebook, path)
    return seconds


def draw_reading_order(path: Path) -> None:
    """Draw the course as a map, with its content as text in the file."""
    content = PngInfo()
    content.add_text("Description", repr(LESSONS))
    figure = reading_order_figure(LESSONS)
    figure.savefig(path, dpi=120, facecolor="white", pil_kwargs={"pnginfo": content})


def rows() -> list[str]:
    """Return the lines of the table in README.md: a lesson each, with a link once it is written."""
    lines = []
    for lesson in LESSONS:
        number, points = f"{lesson.number:02}", ""
        path = NOTEBOOKS / f"{lesson.name}.ipynb"
        if path.exists():
            number, points = f"[{number}]({path.name})", str(points_of(path))
        told = (number, lesson.title, lesson.builds, f"{lesson.minutes} min", points)
        lines.append(f"| {' | '.join(told)} |")
    return lines


def points_of(path: Path) -> int:
    """Return how many points nbgrader gives for all exercises of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in cells)


def write_listing(path: Path) -> None:
    """Write the rows of the table in ``path`` anew."""
    lines = path.read_text(encoding="utf-8").split("\n")
    old = [index for index, line in enumerate(lines) if re.match(r"\| \[?\d\d", line)]
    lines[old[0] : old[-1] + 1] = rows()
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def main(names: list[str]) -> int:
    """Run the named notebooks, or all; return how many were not stored."""
    wanted = [NOTEBOOKS / f"{Path(name).stem}.ipynb" for name in names]
    missing = [path.stem for path in wanted if not path.exists()]
    if missing:
        print(f"There is no notebook {', '.join(missing)}; give its name without the folder.")
        return len(missing)
    draw_reading_order(ROOT / "figures" / "reading_order.png")
    write_listing(NOTEBOOKS / "README.md")
    failed = 0
    for path in wanted or sorted(NOTEBOOKS.glob("*.ipynb")):
        try:
            seconds = execute(path)
        except NotStored as error:
            failed += 1
            print(error)
        else:
            cells = len(nbformat.read(path, as_version=4).cells)
            size = path.stat().st_size / 1000
            print(f"{path.stem}: {seconds:.1f} s, {cells} cells, {size:.0f} kB")
    return failed


if __name__ == "__main__":
    if sys.platform == "win32":  # the kernel's sockets need this loop
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    sys.exit(main(sys.argv[1:]))
