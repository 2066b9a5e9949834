"""What the explorers share: a picture, the same in words, and a sentence if something is wrong."""

import html
from abc import ABC, abstractmethod
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from slae_lib.explorer.controls import find_ipywidgets, why_no_controls
from slae_lib.explorer.pictures import SHOWN_DPI, facts_html, figure_html, small_png
from slae_lib.explorer.updates import Updates

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
        why: one sentence that says why there are no controls; empty if there could be.
        attribution: who made the training pictures.
    """

    figure: Figure
    facts: list[str]
    alt: str
    why: str = ""
    attribution: str | None = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        lines = [line for line in (self.why, *self.facts, self.attribution) if line]
        return picture_bundle(self.figure, self.alt, "\n".join(lines))


def picture_bundle(figure: Figure, alt: str, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a figure in the forms that notebooks show and store."""
    data = {"image/png": b64encode(small_png(figure)).decode("ascii"), "text/plain": text}
    facts = {"alt": alt, "width": round(figure.get_figwidth() * SHOWN_DPI)}
    return data, {"image/png": facts}


class Explorer(ABC):
    """A picture with controls, in any notebook that shows ipywidgets.

    Attributes:
        message: one sentence about what is wrong, or nothing.
        still: what is shown now; None before there is anything to show.
        updates: when it is drawn.
        widget: of ipywidgets; None without that package.
    """

    def __init__(self) -> None:
        self.message = ""
        self.still: Still | None = None
        self.updates = Updates(self._update, self._say)
        self.widget: Any = None
        self._message: Any = None
        self._picture: Any = None
        self._facts: Any = None

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

    def _outputs(self) -> list[Any]:
        """Return the parts below the controls: the sentence, the picture, the facts."""
        widgets = find_ipywidgets()
        assert widgets is not None
        self._message, self._picture, self._facts = (widgets.HTML() for _ in range(3))
        for part in (self._message, self._picture, self._facts):
            part.layout.width = "100%"
        return [self._message, self._picture, self._facts]

    def _show(self, still: Still) -> None:
        self.still = still
        if self._picture is None:
            return
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
        if self._message is None:
            return
        self._message.value = sentence and (
            '<p role="alert" style="border-left: 4px solid #D55E00; padding: 2px 8px; '
            f'margin: 4px 0; line-height: 1.4;">{html.escape(sentence)}</p>'
        )

    def _repr_mimebundle_(self, **_: Any) -> Any:
        self.updates.settle()
        why = why_no_controls()
        if self.still is None and (why or self.widget is None):
            return {"text/plain": "\n".join(line for line in (why, self.message) if line)}
        if why:
            assert self.still is not None
            lines = [line for line in (why, self.message, *self.still.facts) if line]
            return picture_bundle(self.still.figure, self.still.alt, "\n".join(lines))
        # The stored picture is for viewers without a kernel, such as GitHub. The words are always
        # the same, so that a notebook that is run again on another computer stays the same.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        text = f"{type(self).__name__}: its controls work where a kernel runs."
        if self.still is None:
            return {_WIDGET_VIEW: view, "text/plain": text}
        data, facts = picture_bundle(self.still.figure, self.still.alt, text)
        return {_WIDGET_VIEW: view, **data}, facts
