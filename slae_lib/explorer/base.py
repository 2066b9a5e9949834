"""What the explorers share: a picture, the same in words, and a sentence if something is wrong."""

import html
from abc import ABC, abstractmethod
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from slae_lib.explorer.pictures import facts_html, figure_html
from slae_lib.explorer.updates import Updates
from slae_lib.plotting.base import compact_png

HINT = (
    "With the keyboard: Tab goes from control to control, and the space bar opens a list "
    "(JupyterLab takes the arrow keys of a closed one). If the controls do nothing, the kernel has "
    "stopped: run this cell again."
)
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True, eq=False)
class Still:
    """A picture without controls, and what it shows.

    Attributes:
        figure: the picture.
        facts: the same in sentences.
        alt: alternative text of the picture.
        attribution: who made the training pictures.
    """

    figure: Figure
    facts: list[str]
    alt: str
    attribution: str | None = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        lines = [*self.facts, self.attribution]
        return self.bundle("\n".join(line for line in lines if line))

    def bundle(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the picture and ``text`` in the forms that notebooks show and store."""
        png, width = compact_png(self.figure)
        data = {"image/png": b64encode(png).decode("ascii"), "text/plain": text}
        return data, {"image/png": {"alt": self.alt, "width": width}}


class Explorer(ABC):
    """A picture with controls, in any notebook that shows ipywidgets.

    Attributes:
        message: one sentence about what is wrong, or nothing.
        still: what is shown now; None before there is anything to show.
        updates: when it is drawn.
        widget: all of it, of ipywidgets.
        outputs: the parts of it below the controls: the sentence, the picture, the facts.
    """

    widget: widgets.Widget

    def __init__(self) -> None:
        self.message = ""
        self.still: Still | None = None
        self.updates = Updates(self._update, self._say)
        self.outputs = [widgets.HTML(layout={"width": "100%"}) for _ in range(3)]
        self._message, self._picture, self._facts = self.outputs

    @property
    def facts(self) -> list[str]:
        """What is shown now, in sentences."""
        self.updates.settle()
        return [] if self.still is None else self.still.facts

    @property
    def alt(self) -> str:
        """The alternative text of the picture that is shown now."""
        self.updates.settle()
        return "" if self.still is None else self.still.alt

    @abstractmethod
    def _update(self) -> None:
        """Draw what is wanted now."""

    def _show(self, still: Still) -> None:
        self.still = still
        self._picture.value = figure_html(still.figure, still.alt)
        notes = [note for note in (still.attribution, HINT) if note]
        small = "<br>".join(html.escape(note) for note in notes)
        self._facts.value = (
            facts_html(still.facts)
            + f'<p style="margin: 0.4em 0 0; line-height: 1.3;"><small>{small}</small></p>'
        )

    def _say(self, sentence: str) -> None:
        """Show one sentence above the picture, or take it away."""
        self.message = sentence
        self._message.value = sentence and (
            '<p role="alert" style="border-left: 4px solid #D55E00; padding: 2px 8px; '
            f'margin: 4px 0; line-height: 1.4;">{html.escape(sentence)}</p>'
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self.updates.settle()
        # The stored picture is for viewers without a kernel, such as GitHub. The words are always
        # the same, so that a notebook that is run again on another computer stays the same.
        text = f"{type(self).__name__}: its controls work where a kernel runs."
        data, facts = ({"text/plain": text}, {}) if self.still is None else self.still.bundle(text)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {_WIDGET_VIEW: view, **data}, facts
