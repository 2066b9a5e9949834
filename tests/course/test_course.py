"""The list of lessons, and what every notebook starts with and shows."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from matplotlib.patches import FancyBboxPatch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from slae_lib import course
from slae_lib.course import place_in_words, set_up
from slae_lib.course.figures.reading_order import reading_order_figure
from slae_lib.course.lessons import LESSONS
from slae_lib.support.device import in_words

ROOT = Path(__file__).parents[2]


def test_the_course_has_thirteen_lessons_and_none_needs_a_later_one() -> None:
    assert [lesson.number for lesson in LESSONS] == list(range(13))
    for lesson in LESSONS:
        assert all(number < lesson.number for number in lesson.prerequisites)
        assert lesson.prerequisites or lesson.number == 0
    assert course.lesson("02_spatial_attention").title == "Spatial attention"


def test_the_address_of_the_repository_is_the_same_everywhere() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        address = tomllib.load(file)["project"]["urls"]["Repository"]
    assert course.repository() == address
    assert "/slae-lab/slae-lab/blob/v1.2/notebooks/00_start_here.ipynb" in course.badge(
        "00_start_here", "1.2", address
    )
    assert f"git+{address}@v1.2" in course.set_up_cell("00_start_here", "1.2", address)
    path = address.removeprefix("https://github.com/")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"github\w*.com/([\w-]+/[\w-]+)", text)) == {path}


@pytest.mark.parametrize("git_finds", ["no server", "no git"])
def test_a_set_up_that_cannot_install_the_lab_says_how_to_go_on(
    git_finds: str,
) -> None:
    """In a real kernel, with the real pip, at an address where nobody answers."""
    address = "https://127.0.0.1:9/slae-lab"
    cell = new_code_cell(course.set_up_cell("02_spatial_attention", "1.2", address))
    assert cell.source.count("\n") < 20
    uninstalled = "import os, sys\nsys.modules['slae_lib'] = None\n"
    if git_finds == "no git":
        uninstalled += "os.environ['PATH'] = ''"
    notebook = new_notebook(cells=[new_code_cell(uninstalled), cell])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=300).execute()
    (error,) = [output for output in cell.outputs if output.output_type == "error"]
    assert error.ename == "RuntimeError"
    for told in (address, "another network", "%pip install slae_lib-1.2-py3-none-any.whl"):
        assert told in error.evalue
    assert error.evalue.count(". ") == 0  # one sentence
    assert "During handling" not in "".join(error.traceback)


def test_a_place_in_the_course_is_told_in_words() -> None:
    told = place_in_words(LESSONS[8])
    assert "06 Metadata from VGG-16 and 07 Losses. It leads to: 09" in told
    assert "It needs: no other lesson." in place_in_words(LESSONS[0])


def test_the_map_draws_every_lesson_and_marks_the_place() -> None:
    figure = reading_order_figure(LESSONS, here=2)
    (axis,) = figure.axes
    words = " ".join(text.get_text().replace("\n", " ") for text in axis.texts)
    assert all(lesson.title in words for lesson in LESSONS)
    boxes = [patch for patch in axis.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == len(LESSONS)
    assert len({box.get_facecolor() for box in boxes}) == 3  # here, before it, and the rest
    corners = [box.get_extents() for box in boxes]
    assert not any(a.overlaps(b) for i, a in enumerate(corners) for b in corners[i + 1 :])


def test_the_set_up_tells_the_device_and_repeats_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    device = set_up("02_spatial_attention", version="0.0.1")
    first = torch.randn(3)
    told = capsys.readouterr().out
    assert f"Device: {in_words(device)}" in told
    assert "was written for SLAE Lab 0.0.1" in told
    assert "You are here: 02" in told  # the picture, where no picture can be shown
    set_up("02_spatial_attention", version="0.0.1")
    assert torch.equal(torch.randn(3), first)


def test_a_shown_figure_carries_its_description() -> None:
    # In a process of its own, as IPython's display talks to the kernel that it runs in.
    script = """
import json
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from slae_lib.course import show
InteractiveShell.instance()
with capture_output() as captured:
    show(Figure(), alt="A <white> square.")
print(json.dumps([[o.data, o.metadata] for o in captured.outputs]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    (picture, details), (line, _) = json.loads(done.stdout.splitlines()[-1])
    assert set(picture) == {"image/png", "text/plain"}
    assert picture["text/plain"] == details["image/png"]["alt"] == "A <white> square."
    assert line["text/html"] == "<p><small>A &lt;white&gt; square.</small></p>"
