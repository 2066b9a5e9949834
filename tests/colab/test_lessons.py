"""Every lesson as Colab runs it: alone in an empty folder, "Run all" twice, a restart, and again.

The notebook's own first cell installs the lab. Only pip is another one: it wants the very address
that Colab would be given, and takes a wheel of this checkout. ``/content`` means a folder of the
machine, and lesson 09 is asked to use the (pretended) Drive.

`SLAE_COLAB_RECORD=1 pytest -m long tests/colab`, in one process, stores with which versions the
lessons passed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import hatchling.build
import machine
import nbformat
import passed
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from slae_lib.course.lessons import LESSONS

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform == "win32", reason="Colab has paths as on Linux")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return folder / hatchling.build.build_wheel(str(folder))


def as_in_colab(notebook: NotebookNode, content: Path) -> NotebookNode:
    """The notebook with Colab's own module loaded, and ``/content`` in the machine."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace('"/content', f'"{content}')
            cell.source = cell.source.replace("USE_DRIVE = False", "USE_DRIVE = True")
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import google.colab"))
    return notebook


def run_all(client: NotebookClient) -> float:
    """Run the cells in their order in the kernel that is there; return the seconds it took."""
    begin = time.perf_counter()
    for index, cell in enumerate(client.nb.cells):
        client.execute_cell(cell, index)
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # of a check, which lets the others run
                pytest.fail(f"cell {index}: {output.ename}: {output.evalue}")
    return round(time.perf_counter() - begin, 1)


@pytest.mark.long
@LINUX
@pytest.mark.parametrize("name", [lesson.name for lesson in LESSONS])
def test_a_lesson_runs_in_colab(name: str, wheel: Path, tmp_path: Path) -> None:
    environment = machine.new_machine(tmp_path, wheel)
    content = tmp_path / "content"
    alone = content / f"{name}.ipynb"
    alone.write_bytes((ROOT / "notebooks" / alone.name).read_bytes())
    notebook = as_in_colab(nbformat.read(alone, as_version=4), content)
    seconds = []
    for runs in (2, 1):  # in the first kernel, and after a restart
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_name="python3"),
            timeout=1200,
            resources={"metadata": {"path": str(content)}},
        )
        with client.setup_kernel(env=environment):
            seconds += [run_all(client) for _ in range(runs)]
    assert (tmp_path / "site" / "slae_lib").is_dir()
    assert (content / "drive/MyDrive").is_dir() == name.startswith("09")
    if os.environ.get("SLAE_COLAB_RECORD"):
        passed.record(name, seconds)


@LINUX
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import slae_lib", "ModuleNotFoundError: No module named 'slae_lib'"),
        ("open('../tmp/a', 'w'); open('../../b', 'w')", "writes outside its folders: "),
        ("import os; os.rename('../home', '../../b')", "writes outside its folders: "),
        ("import socket; socket.create_connection(('192.0.2.1', 9))", "asks another computer: "),
    ],
)
def test_a_machine_has_no_lab_and_keeps_to_itself(line: str, said: str, tmp_path: Path) -> None:
    environment = machine.new_machine(tmp_path / "machine", Path("no.whl"))
    done = subprocess.run(
        [sys.executable, "-c", line],
        cwd=tmp_path / "machine" / "content",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["machine"]


def test_the_readme_tells_with_which_versions_the_lessons_passed() -> None:
    lessons = passed.stored()
    assert set(lessons) <= {lesson.name for lesson in LESSONS}
    assert all(len(it["seconds"]) == 3 and min(it["seconds"]) > 0 for it in lessons.values())
    assert passed.TOLD.findall(passed.LISTING.read_text("utf-8")) == [passed.in_words(lessons)]


def test_versions_that_differ_make_a_table() -> None:
    one = {"date": "2027-01-04", "python": "3.12.1", "torch": "2.14.1", "torchvision": "0.29.1"}
    lessons = {lesson.name: one for lesson in LESSONS}
    assert passed.in_words(lessons).startswith("All passed on 2027-01-04 with Python 3.12.1, PyT")
    lessons["01_few_shot_data"] = one | {"torch": "2.15.0"}
    del lessons["02_spatial_attention"]
    _, _, *rows = passed.in_words(lessons).splitlines()
    assert len(rows) == len(LESSONS)
    assert rows[1] == "| lesson 01 | 2027-01-04 | 3.12.1 | 2.15.0 | 0.29.1 |"
    assert rows[2] == "| lesson 02 | – | – | – | – |"
