"""The attention explorer: move noise, metadata and a link's attention, and see what comes out."""

import dataclasses
import io
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from slae_lib.explorer.attention_controls import AttentionControls
from slae_lib.explorer.base import Explorer, Still
from slae_lib.explorer.code import view_code
from slae_lib.explorer.controls import find_ipywidgets, why_no_controls
from slae_lib.explorer.pictures import TrainingPictures, figure_png
from slae_lib.explorer.scene import Scene, View, first_view, fitting, make_scene
from slae_lib.explorer.source import Source
from slae_lib.explorer.words import changed, view_alt, view_facts
from slae_lib.plotting.explorer import view_figure
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
        controls: the controls by their names, such as ``controls.seed``; None without ipywidgets.
    """

    def __init__(self, run: str | Path) -> None:
        super().__init__()
        self.view: View | None = None
        self.scene: Scene | None = None
        self.source: Source | None = None
        self.controls: AttentionControls | None = None
        self._pictures = TrainingPictures(None, None)
        self._asked = ""
        self._saved: set[Path] = set()
        self._wanted = str(run)
        if find_ipywidgets() is not None:
            self.controls = AttentionControls(
                str(run), self.updates.request, self._save, self._show_code, self._show_pictures
            )
            self.widget = self.controls.page(self._outputs())
        self.updates.now()

    def static(self, **changes: Any) -> Still:
        """Return a picture without controls: this view, or one that differs in ``changes``.

        Args:
            changes: fields of `View`, such as ``seed=3, link="8->32", attention="ones"``.

        Raises:
            LabError: if there is nothing to show, or a change cannot be had.
        """
        self.updates.settle()
        if self.source is None or self.view is None:
            raise LabError(self.message)
        try:
            view = dataclasses.replace(self.view, **changes)
        except TypeError:
            known = ", ".join(field.name for field in dataclasses.fields(View))
            raise UsageError(
                f"A view has no setting {' or '.join(changes)}; its settings are {known}."
            ) from None
        view = fitting(view, self.source)
        return self._still(view, make_scene(view, self.source), self.source)

    @property
    def code(self) -> str:
        """A Python program that makes the view that is shown now.

        Raises:
            LabError: if there is nothing to show.
        """
        self.updates.settle()
        if self.source is None or self.view is None:
            raise LabError(self.message)
        return view_code(self.view, self.source)

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
        words = PngInfo()
        words.add_itxt("Description", self.still.alt)
        if self.still.attribution:
            words.add_itxt("Copyright", self.still.attribution)
        picture = Image.open(io.BytesIO(figure_png(self.still.figure, SAVED_DPI)))
        with atomic_write(path) as temporary:
            picture.save(temporary, format="PNG", pnginfo=words)
        self._saved.add(path.resolve())
        return path

    def _update(self) -> None:
        controls = self.controls
        wanted = self._wanted if controls is None else controls.run.value.strip()
        view = self.view
        if wanted != self._asked:
            self._asked = wanted  # asked once, whether or not it can be had
            view = self._open(wanted)
        asked = None if controls is None or self.source is None else controls.view()
        if asked is not None and self.source is not None:
            view = fitting(asked, self.source)
        if self.source is None or view is None:
            return
        scene = make_scene(view, self.source)
        self.view, self.scene = view, scene
        if controls is not None:
            with self.updates.paused():
                controls.fit(self.source, view, asked)
                controls.show_painting(view, scene, asked)
                controls.show_thumbnails(self._pictures, view)
            self._show_code()
        self._show(self._still(view, scene, self.source))
        self._say(self.source.trouble)

    def _open(self, path: str) -> View:
        """Look into another run and return the view to begin with; the old one stays if not."""
        source = Source(path)
        view = first_view(source)
        if self.view is not None:  # keep what the new run has too
            kept = ("seed", "second_seed", "mix", "colors", "overlay")
            changes = {name: getattr(self.view, name) for name in kept}
            view = dataclasses.replace(view, **changes)
        self.source = source
        self._pictures = TrainingPictures(source.bank, source.data)
        if self.controls is not None:
            with self.updates.paused():
                self.controls.offer(source, view)
            self._show_pictures()
        return view

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
        return Still(
            figure,
            view_facts(view, scene, metadata=metadata),
            view_alt(view, scene, metadata=metadata),
            why_no_controls(),
            self._pictures.attribution,
        )

    def _save(self, _: Any = None) -> None:
        assert self.controls is not None
        controls = self.controls
        controls.saved.value = ""

        def work() -> None:
            path = self.save(controls.file.value.strip() or "attention.png")
            self._say("")
            controls.saved.value = '<span role="status">Saved.</span>'
            controls.file.value = str(path)

        self.updates.guarded(work)

    def _show_code(self, _: Any = None) -> None:
        assert self.controls is not None
        wanted = self.controls.code_wanted.value and self.view is not None
        if wanted and self.source is not None and self.view is not None:
            self.controls.code.value = view_code(self.view, self.source)
        self.controls.code.layout.display = None if wanted else "none"

    def _show_pictures(self, _: Any = None) -> None:
        assert self.controls is not None
        controls = self.controls
        self.updates.guarded(lambda: controls.show_gallery(self._pictures))
