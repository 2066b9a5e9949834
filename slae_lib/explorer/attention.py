"""The attention explorer: move noise, metadata and a link's attention, and see what comes out."""

import dataclasses
from pathlib import Path
from typing import Any

from slae_lib.explorer.attention_controls import AttentionControls
from slae_lib.explorer.base import Explorer, Still
from slae_lib.explorer.figures.view import view_figure
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.scene import Scene, View, first_view, fitting, make_scene
from slae_lib.explorer.source import Source
from slae_lib.explorer.words import changed, view_alt, view_facts
from slae_lib.plotting.style import save_figure
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write

SAVED_DPI = 200


class AttentionExplorer(Explorer):
    """Look where a trained generator looks, and at what happens if it has to look elsewhere.

    Show it as the last line of a cell. A path that leads nowhere is said inside the explorer,
    where another one can be typed.

    Args:
        run: the folder of a run, a generator.safetensors or a checkpoint.

    Attributes:
        view: what is shown now, as settings; None before a run was opened.
        scene: what is shown now, as tensors.
        source: the run that is open.
        controls: the controls by their names, such as ``controls.seed``.
    """

    def __init__(self, run: str | Path) -> None:
        super().__init__()
        self.view: View | None = None
        self.scene: Scene | None = None
        self.source: Source | None = None
        self._first: View | None = None  # of this run
        self._pictures = TrainingPictures(None, None)
        self._asked = ""
        self._saved: set[Path] = set()
        self.controls = AttentionControls(str(run), self.updates.request)
        self.controls.save.on_click(self._save)
        self.controls.code_wanted.observe(self._show_code, "value")
        self.controls.all_pictures.observe(self._show_pictures, "value")
        self.widget = self.controls.page(self.outputs)
        self.updates.now()

    def static(self, **changes: Any) -> Still:
        """Return a picture without controls: this view, or one that differs in ``changes``.

        Args:
            changes: fields of `View`, such as ``seed=3, link="8->32", attention="ones"``.

        Raises:
            LabError: if there is nothing to show, or a change cannot be had.
        """
        view, source = self._opened()
        try:
            view = dataclasses.replace(view, **changes)
        except TypeError:
            known = ", ".join(field.name for field in dataclasses.fields(View))
            raise UsageError(
                f"A view has no setting {' or '.join(changes)}; its settings are {known}."
            ) from None
        view = fitting(view, source)
        return self._still(view, make_scene(view, source), source)

    @property
    def code(self) -> str:
        """The line of Python that makes the view that is shown now, below its import.

        Raises:
            LabError: if there is nothing to show.
        """
        view, source = self._opened()
        return self._code(view, source)

    def save(self, file: str | Path) -> Path:
        """Write the picture as PNG, with its alternative text inside.

        Raises:
            LabError: if there is nothing to show, the file cannot be written, or a file of that
                name was there before.
        """
        self.updates.settle()
        if self.still is None:
            raise LabError(self.message)
        path = Path(file).expanduser()
        if path.suffix.lower() != ".png":
            path = path.with_name(f"{path.name}.png")
        if path.exists() and path.resolve() not in self._saved:
            raise UsageError(f"{path} exists already; give the picture another name.")
        words = {"Description": self.still.alt, "Copyright": self.still.attribution}
        with atomic_write(path) as temporary:
            save_figure(self.still.figure, temporary, dpi=SAVED_DPI, metadata=words)
        self._saved.add(path.resolve())
        return path

    def _opened(self) -> tuple[View, Source]:
        """Return what is shown, drawn to the newest wish, or raise why nothing is."""
        self.updates.settle()
        if self.view is None or self.source is None:
            raise LabError(self.message)
        return self.view, self.source

    def _update(self) -> None:
        controls = self.controls
        wanted = controls.run.value.strip()
        if wanted != self._asked:
            self._asked = wanted  # asked once, whether or not it can be had
            self._open(wanted)
        source = self.source
        if source is None:
            return
        asked = controls.view()
        view = fitting(asked, source)
        scene = make_scene(view, source)
        self.view, self.scene = view, scene
        with self.updates.paused():
            controls.fit(source, view, asked)
            controls.show_painting(view, scene, asked)
            controls.show_thumbnails(self._pictures, view)
        self._show_code()
        self._show(self._still(view, scene, source))
        self._say(source.trouble)

    def _open(self, path: str) -> None:
        """Look into another run; the old one stays if that fails."""
        source = Source(path)
        view = self._first = first_view(source)
        if self.view is not None:  # keep what the new run has too
            kept = ("seed", "second_seed", "mix", "colors", "overlay")
            view = dataclasses.replace(view, **{name: getattr(self.view, name) for name in kept})
        self.source = source
        self._pictures = TrainingPictures(source.bank, source.data)
        with self.updates.paused():
            self.controls.offer(source, view)
        self._show_pictures()

    def _still(self, view: View, scene: Scene, source: Source) -> Still:
        metadata = source.generator(view.checkpoint).config.metadata
        is_changed = changed(view, scene)
        figure = view_figure(
            scene.image,
            scene.gates,
            link=view.link,
            attention=scene.attention,
            colors=view.colors,
            overlay=view.overlay,
            plain_image=scene.plain_image if is_changed else None,
            plain_gates=scene.plain_gates if is_changed else None,
        )
        facts = view_facts(view, scene, metadata=metadata)
        return Still(figure, facts, view_alt(view, scene, facts), self._pictures.attribution)

    def _save(self, _: Any = None) -> None:
        controls = self.controls
        controls.saved.value = ""

        def work() -> None:
            path = self.save(controls.file.value.strip() or "attention.png")
            self._say("")
            controls.saved.value = '<span role="status">Saved.</span>'
            controls.file.value = str(path)

        self.updates.guarded(work)

    def _show_code(self, _: Any = None) -> None:
        wanted = self.controls.code_wanted.value
        if wanted and self.view is not None and self.source is not None:
            self.controls.code.value = self._code(self.view, self.source)
            self.controls.code.layout.display = None
        else:
            self.controls.code.layout.display = "none"

    def _code(self, view: View, source: Source) -> str:
        first = vars(self._first)
        differing = [
            f"{name}={value!r}" for name, value in vars(view).items() if value != first[name]
        ]
        return (
            "from slae_lib.explorer import AttentionExplorer\n\n"
            f"AttentionExplorer({str(source.path)!r}).static({', '.join(differing)})\n"
        )

    def _show_pictures(self, _: Any = None) -> None:
        self.updates.guarded(lambda: self.controls.show_gallery(self._pictures))
