"""The training monitor: losses, samples and attention of a training that is running."""

import asyncio
import html
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from slae_lib.explorer.base import Still
from slae_lib.explorer.controls import column, control, row
from slae_lib.explorer.figures.pages import monitor_figure
from slae_lib.explorer.pictures import TrainingPictures, facts_html, figure_html
from slae_lib.explorer.progress import RunProgress, progress_facts, read_progress
from slae_lib.explorer.source import existing
from slae_lib.explorer.words import listed
from slae_lib.support.errors import LabError
from slae_lib.support.language import lang_attribute, said
from slae_lib.training.families import family_of
from slae_lib.training.recorder import Progress

HINT = "If the controls do nothing, the kernel has stopped: run this cell again."
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class TrainingMonitor:
    """The live picture of a training; give it to the loop as its callback.

    ``monitor = TrainingMonitor("runs/mine")``, shown by a cell of its own, and then
    ``train(..., run=Path("runs/mine"), callback=monitor)``. All that it shows stands in the run's
    folder: after a closed browser tab, in another notebook or beside a training that a terminal
    runs, a new monitor of the same folder shows the same, at the click of "Refresh" or every few
    seconds.

    Args:
        run: the folder, which need not exist yet.
        seconds: between two pictures while the training runs.

    Attributes:
        progress: what was read last; None before there is a run.
        controls: by name: run, refresh, follow.
        message: one sentence about what is wrong, or nothing.
        still: what is shown now; None before there is anything to show.
        drawn: how often it was drawn.
        widget: all of it, of ipywidgets.
    """

    def __init__(self, run: str | Path, seconds: float = 5.0) -> None:
        self.message = ""
        self.still: Still | None = None
        self.drawn = 0
        outputs = [widgets.HTML(layout={"width": "100%"}) for _ in range(3)]
        self._message, self._picture, self._facts = outputs
        self.seconds = seconds
        self.progress: RunProgress | None = None
        self._drawn = -float("inf")
        self._following = False
        every = "second" if seconds == 1 else f"{seconds:g} seconds"
        path = control(
            widgets.Text, "Run", "Folder of a run", value=str(run), continuous_update=False
        )
        refresh = control(widgets.Button, "Refresh", "Read the folder again")
        follow = control(
            widgets.Checkbox, f"Refresh every {every}", "Until the training is finished",
            indent=False,
        )  # fmt: skip
        path.observe(lambda _: self.refresh(), "value")
        refresh.on_click(lambda _: self.refresh())
        follow.observe(self._follow, "value")
        refresh.layout.width = "10em"
        columns = [column("Training", [path]), column("Look again", [row([refresh, follow])])]
        self.controls: dict[str, Any] = {"run": path, "refresh": refresh, "follow": follow}
        self.widget = widgets.VBox([row(columns), *outputs])
        self.refresh()

    @property
    def facts(self) -> list[str]:
        """What is shown now, in sentences."""
        return [] if self.still is None else self.still.facts

    @property
    def alt(self) -> str:
        """The alternative text of the picture that is shown now."""
        return "" if self.still is None else self.still.alt

    def __call__(self, progress: Progress) -> None:
        """Draw what the training has written, if the last picture is old enough.

        A fault of the picture must not end a training of hours: it is shown, and a warning.
        """
        done = self.progress is not None and (
            progress.iteration >= self.progress.info.train.iterations
        )
        if not done and time.monotonic() - self._drawn < self.seconds:
            return
        try:
            self.refresh()
        except Exception:
            warnings.warn(
                f"The training goes on, but its monitor has failed:\n{traceback.format_exc()}",
                stacklevel=2,
            )

    def refresh(self) -> None:
        """Read the run's folder again and draw it; what is wrong is said above the picture."""
        self.drawn += 1
        try:
            self._update()
        except LabError as problem:
            self._say(str(problem))
        except Exception as fault:
            self._say(
                f"This is a fault in the monitor and not yours ({type(fault).__name__}: {fault}); "
                "please report it. What is shown may be stale."
            )
            raise

    def static(self) -> Still:
        """Return a picture without controls of what the folder holds now.

        Raises:
            LabError: if there is no run.
        """
        self.refresh()
        if self.progress is None:
            raise LabError(self.message)
        return self._still(self.progress)

    def _update(self) -> None:
        before = self.progress
        run = existing(self.controls["run"].value.strip())
        if before is not None and before.run != run:
            before = None
        progress = read_progress(run, before)
        self._show(self._still(progress))
        self.progress = progress
        self._drawn = time.monotonic()
        self._say("")

    def _show(self, still: Still) -> None:
        self.still = still
        self._picture.value = figure_html(still.figure, still.alt)
        notes = [said(note) for note in (still.attribution, HINT) if note]
        small = "<br>".join(html.escape(note) for note in notes)
        style = f'{lang_attribute()} style="margin: 0.4em 0 0; line-height: 1.3;"'
        self._facts.value = f"{facts_html(still.facts)}<p{style}><small>{small}</small></p>"

    def _say(self, sentence: str) -> None:
        """Show one sentence above the picture, or take it away."""
        self.message = sentence = said(sentence)
        self._message.value = sentence and (
            '<p role="alert" style="border-left: 4px solid #D55E00; padding: 2px 8px; '
            f'margin: 4px 0; line-height: 1.4;">{html.escape(sentence)}</p>'
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # The stored picture is for viewers without a kernel, such as GitHub. The words are always
        # the same, so that a notebook that is run again on another computer stays the same.
        text = said("TrainingMonitor: its controls work where a kernel runs.")
        data, facts = ({"text/plain": text}, {}) if self.still is None else self.still.bundle(text)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {_WIDGET_VIEW: view, **data}, facts

    def _still(self, progress: RunProgress) -> Still:
        total, glance = progress.info.train.iterations, progress.glance
        if not progress.rows:
            raise LabError(
                f"{progress.run} has no losses yet; the first are written after "
                f"{progress.info.train.log_every} iterations."
            )
        panels = ["losses", "diversity"]
        if progress.samples is not None:
            panels.append("16 of the newest samples")
        if glance is not None and glance.attention:
            panels.append("the attention of each link over four samples")
        figure = monitor_figure(
            progress.rows,
            title=f"{progress.run.name}: iteration {progress.iteration:,} of {total:,}",
            samples=progress.samples,
            samples_title=f"Samples at iteration {progress.samples_iteration:,}",
            attention=None if glance is None else glance.attention,
            attention_images=None if glance is None else glance.images,
            attention_title=""
            if glance is None
            else f"Attention at iteration {glance.iteration:,}",
            blind=family_of(progress.info.model).blind_loss,
        )
        facts = progress_facts(progress)
        alt = said(f"Training {progress.run.name}: {listed(panels)}.") + " " + " ".join(facts)
        return Still(figure, facts, alt, TrainingPictures(None, progress.info.data).attribution)

    def _follow(self, change: Any) -> None:
        """Begin to look every few seconds, or stop."""
        if not change["new"] or self._following:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._say("There is no event loop here that could refresh by itself; use Refresh.")
            return
        self._following = True
        loop.call_soon(self._look_again, loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        finished = False
        try:
            if self.controls["follow"].value:
                self.refresh()
                finished = self.progress is not None and self.progress.finished
        except Exception:
            finished = True  # what is broken is not repeated every few seconds
            raise
        finally:
            self._following = self.controls["follow"].value and not finished
            if self._following:
                loop.call_later(self.seconds, self._look_again, loop)
            else:
                self.controls["follow"].value = False
