"""What every notebook of the course starts with: set up, show a figure, check an exercise."""

import html
import re
from base64 import b64encode
from importlib import metadata

import torch
from matplotlib.figure import Figure

from slae_lib.course.checks import check, hint, open_exercises, predict, solution
from slae_lib.course.figures.moving import Moving
from slae_lib.course.figures.reading_order import reading_order_figure
from slae_lib.course.lessons import LESSONS, Lesson, lesson
from slae_lib.course.texts import picture_text
from slae_lib.plotting.base import compact_png
from slae_lib.support.device import in_words, pick_device
from slae_lib.support.language import lang_attribute, said

__all__ = ["check", "hint", "lesson", "predict", "set_up", "show", "solution"]


def repository() -> str:
    """Return the lab's address, as it stands in the installed package."""
    addresses = metadata.metadata("slae-lib").get_all("Project-URL") or []
    return dict(address.split(", ", 1) for address in addresses)["Repository"]


def badge(name: str, version: str, address: str) -> str:
    """Return the line of Markdown that opens a notebook in Colab.

    Args:
        name: of the notebook.
        version: of the lab, whose notebook is opened.
        address: of the lab's repository on GitHub.
    """
    path = address.removeprefix("https://github.com/")
    notebook = f"{path}/blob/v{version}/notebooks/{name}.ipynb"
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{notebook})"
    )


def set_up_cell(name: str, version: str, address: str) -> str:
    """Return the first code cell of a notebook; all notebooks have the same.

    Where the lab cannot be installed, its last word is a sentence with two ways on.

    Args: as for `badge`.
    """
    wheel = f"slae_lib-{version}-py3-none-any.whl"
    return f"""\
try:
    from slae_lib.course import check, hint, predict, set_up, show, solution
except ModuleNotFoundError:  # on Colab: install the lab in the version of this notebook
    %pip install -q "slae-lib @ git+{address}@v{version}"
    try:
        from slae_lib.course import check, hint, predict, set_up, show, solution
    except ModuleNotFoundError as missing:
        raise RuntimeError(
            "SLAE Lab could not be installed from {address} "
            f"({{missing}}): try another network, or ask your teacher for the wheel, put it "
            "beside this notebook and run %pip install {wheel}"
        ) from None

device = set_up("{name}", version="{version}")"""


def set_up(name: str, *, version: str, solutions: bool = True) -> torch.device:
    """Start a notebook: choose the device, seed PyTorch, say so, and show where we are.

    Args:
        name: of the notebook, such as ``"02_spatial_attention"``.
        version: of the lab that the notebook was written for.
        solutions: whether `solution` and the last `hint` may be asked for.

    Returns:
        The accelerator if there is one, and the CPU otherwise.
    """
    here = lesson(name)
    installed = metadata.version("slae-lib")
    device = pick_device()
    torch.manual_seed(0)
    open_exercises(here.number, solutions=solutions)
    print(f"SLAE Lab {installed}, PyTorch {torch.__version__}")
    print(said(f"Device: {in_words(device)}"))
    if installed != version:
        print(
            said(
                f"This notebook was written for SLAE Lab {version}. If something does not fit, "
                f"take the notebook of {installed}: {repository()}/tree/v{installed}/notebooks"
            )
        )
    show(reading_order_figure(LESSONS, here=here.number), place_in_words(here))
    return device


def place_in_words(here: Lesson) -> str:
    """Say where a lesson stands in the course: what comes before it and what follows."""

    def listed(numbers: list[int]) -> str:
        names = [f"{number:02} {said(LESSONS[number].title)}" for number in numbers]
        return said(" and ").join(names) if names else "no other lesson"

    after = [other.number for other in LESSONS if here.number in other.prerequisites]
    return said(
        f"The course as a map. You are here: {here.number:02} {said(here.title)}. "
        f"It needs: {listed(list(here.prerequisites))}. It leads to: {listed(after)}."
    )


def show(figure: Figure | Moving, alt: str) -> None:
    """Show a figure in a notebook, with a description for those who cannot see it.

    The picture is stored as PNG, which every viewer can show, GitHub's too. The description
    goes three ways, because viewers differ: into the picture's metadata, in place of the
    meaningless ``<Figure size ...>``, and as a line below the picture for every reader.

    Args:
        figure: any matplotlib figure, or pictures that move.
        alt: one to three sentences that tell what the picture shows: what is where, and what
            to notice. Or where they stand in the lesson's texts, such as ``"4.diagram"``.
    """
    from IPython.display import display

    if re.fullmatch(r"\d+\.[\w-]+", alt):
        alt = picture_text(alt)
    png, width = figure.png() if isinstance(figure, Moving) else compact_png(figure)
    display(  # type: ignore[no-untyped-call]
        {"image/png": b64encode(png).decode("ascii"), "text/plain": alt},
        metadata={"image/png": {"alt": alt, "width": width}},
        raw=True,
    )
    line = f"<p{lang_attribute()}><small>{html.escape(alt)}</small></p>"
    words = {"text/html": line, "text/plain": alt}
    display(words, raw=True)  # type: ignore[no-untyped-call]
