"""The controls of the attention explorer, and how they stand on the page."""

import html
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

import ipywidgets as widgets

from slae_lib.explorer.controls import column, control, row
from slae_lib.explorer.paint import HIGH, OWN, SHAPES, PaintGrid, shape
from slae_lib.explorer.pictures import TrainingPictures, thumbnail_html
from slae_lib.explorer.scene import (
    MOST_SEED,
    PAINTED_SIDE,
    Attention,
    Painting,
    Scene,
    View,
    painting_of,
    side_of,
)
from slae_lib.explorer.source import Source
from slae_lib.explorer.words import link_label, picture_label

COLORS = ("magma", "viridis", "cividis", "inferno", "gray")  # their brightness grows with the value
ATTENTION = {
    "its own": "own",
    "off: 1 everywhere (plain SLE)": "ones",
    "off: its mean everywhere": "mean",
    "its places shuffled": "shuffled",
    "painted by you": "painted",
}
assert set(ATTENTION.values()) == set(get_args(Attention))
NO_PICTURE = "no picture (zeros)"
MOST_SHOWN = 200  # pictures in the list of all
# Each has a control of its own; the painting has many.
_SETTINGS = [field.name for field in fields(View) if field.name != "painting"]


class AttentionControls:
    """Every control by its name; none of them draws anything itself.

    Args:
        path: of the run, to stand in the first field.
        changed: called when a control that changes the view has moved.
    """

    def __init__(self, path: str, changed: Callable[[Any], None]) -> None:
        share = {"min": 0.0, "max": 1.0, "step": 0.1}
        seed = {"min": 0, "max": MOST_SEED}
        self.run = control(
            widgets.Text, "Run", "Folder of a run, or a generator file", value=path,
            continuous_update=False,
        )  # fmt: skip
        self.checkpoint = control(
            widgets.Dropdown, "Checkpoint", "The finished generator, or one from the training"
        )
        self.seed = control(widgets.BoundedIntText, "Seed", "Of the noise", value=0, **seed)
        self.second_seed = control(
            widgets.BoundedIntText, "Second seed", "Of the noise that is mixed in", value=1, **seed
        )
        self.mix = control(
            widgets.BoundedFloatText, "Mix of seeds", "0: the first noise, 1: the second", **share
        )
        self.picture = control(
            widgets.Dropdown, "Metadata of", "The training picture that gives the metadata"
        )
        self.second_picture = control(
            widgets.Dropdown, "Second picture", "The picture whose metadata is mixed in"
        )
        self.picture_mix = control(
            widgets.BoundedFloatText,
            "Mix of pictures",
            "0: the first picture, 1: the second",
            **share,
        )
        self.all_pictures = control(
            widgets.Checkbox, "List all pictures", "Small pictures with their names", indent=False
        )
        self.link = control(widgets.Dropdown, "Link", "Which skip link to look at")
        self.attention = control(
            widgets.Dropdown, "Attention", "What the link gets in place of its own map",
            options=list(ATTENTION.items()),
        )  # fmt: skip
        self.colors = control(widgets.Dropdown, "Colours", "Of the attention map", options=COLORS)
        self.overlay = control(
            widgets.BoundedFloatText, "Overlay", "Strength of the map over the image: 0 to 1",
            **share | {"value": 0.6},
        )  # fmt: skip
        self.file = control(
            widgets.Text, "File", "Where to save the picture, as PNG", value="attention.png",
            continuous_update=False,
        )  # fmt: skip
        self.save = control(widgets.Button, "Save picture", "Write the picture into the file")
        self.code_wanted = control(
            widgets.Checkbox, "Show the code that makes this view", "To copy it", indent=False
        )
        self.code = control(
            widgets.Textarea, "Code", "The line that makes this view; select all, copy",
            rows=4, layout={"width": "100%", "display": "none"},
        )  # fmt: skip
        self.paint = PaintGrid(changed)
        self.moving = [self.run, *(getattr(self, name) for name in _SETTINGS)]
        for part in self.moving:
            part.observe(changed, "value")
        self.thumbnails, self.gallery, self.saved = (widgets.HTML() for _ in range(3))

    def page(self, outputs: list[Any]) -> Any:
        """Return all controls, with ``outputs`` between those that draw and those that keep."""
        noise = [self.run, self.checkpoint, self.seed, self.second_seed, self.mix]
        metadata = [self.picture, self.second_picture, self.picture_mix, self.thumbnails,
                    self.all_pictures]  # fmt: skip
        attention = [self.link, self.attention, self.colors, self.overlay]
        columns = [
            column("Generator and noise", noise),
            column("Metadata", metadata),
            column("Attention", attention),
            self.paint.box,
        ]
        self.file.layout.width = "22em"
        self.save.layout.width = "10em"
        keep = row([self.file, self.save, self.saved])
        return widgets.VBox(
            [row(columns), self.gallery, *outputs, keep, self.code_wanted, self.code]
        )

    def offer(self, source: Source, view: View) -> None:
        """Fill the lists with what there is, and show ``view``."""
        self.checkpoint.options = list(source.files)
        names = [] if source.bank is None else source.bank.names
        pictures = [(NO_PICTURE, None), *((picture_label(name), name) for name in names)]
        self.picture.options = self.second_picture.options = pictures
        for part in (self.picture, self.second_picture, self.picture_mix, self.all_pictures):
            part.disabled = source.bank is None
        self.fit(source, view)

    def fit(self, source: Source, view: View, asked: View | None = None) -> None:
        """Show ``view``, and the links that its checkpoint has.

        What ``view`` has as it was ``asked`` for is left alone: the controls may have moved on
        while it was drawn.
        """
        generator = source.generator(view.checkpoint)
        links = [(link_label(link), link) for link in generator.links]
        if list(self.link.options) != links:
            self.link.options = links
        for name in _SETTINGS:
            value = getattr(view, name)
            if asked is None or getattr(asked, name) != value:
                getattr(self, name).value = value
        for part in (self.attention, self.colors, self.overlay):
            part.disabled = not generator.config.has_attention

    def view(self) -> View:
        """Return the view that the controls ask for."""
        values = {name: getattr(self, name).value for name in _SETTINGS}
        for name in ("mix", "picture_mix", "overlay"):
            values[name] = round(values[name], 3)
        return View(**values, painting=self._painting())

    def _painting(self) -> Painting:
        """Return the painting at the size of the link; an empty one means its own high places."""
        chosen = self.paint.shapes.value
        side = min(PAINTED_SIDE, side_of(self.link.value))
        if chosen in SHAPES:
            return shape(chosen, side)
        return self.paint.painting if chosen == OWN and self.paint.side == side else ""

    def show_painting(self, view: View, scene: Scene, asked: View) -> None:
        """Show the squares of a painted view, and hide them for another one.

        A painting as it was ``asked`` for stands in the squares, or has moved on meanwhile.
        """
        if view.attention != "painted" or scene.own_attention is None:
            self.paint.box.layout.display = "none"
            return
        if not view.painting:
            self.paint.name_shape(HIGH)
        painting = view.painting or painting_of(scene.own_attention)
        if asked.painting != painting or self.paint.side != len(painting.split()):
            self.paint.fill(painting)
        self.paint.box.layout.display = None

    def show_thumbnails(self, pictures: TrainingPictures, view: View) -> None:
        """Show the pictures that give the metadata."""
        names = [view.picture, *([view.second_picture] if view.picture_mix else [])]
        found = [(picture, name) for name in names if (picture := pictures.get(name)) is not None]
        self.thumbnails.value = " ".join(
            thumbnail_html(picture, f"training picture {picture_label(str(name))}", 56)
            for picture, name in found
        )

    def show_gallery(self, pictures: TrainingPictures) -> None:
        """Show all training pictures with their names, or take them away."""
        if not self.all_pictures.value or pictures.bank is None:
            self.gallery.value = ""
            return
        names = list(pictures.bank.names[:MOST_SHOWN])
        cells = [
            '<li style="width: 7.5em; margin: 0 4px 8px 0; font-size: 11px; line-height: 1.2;">'
            + ("" if picture is None else thumbnail_html(picture, "", 40) + "<br>")
            + f"{html.escape(picture_label(name))}</li>"
            for name, picture in zip(names, pictures.many(names), strict=True)
        ]
        rest = len(pictures.bank) - len(names)
        self.gallery.value = (
            '<ul style="display: flex; flex-wrap: wrap; list-style: none; padding: 0; margin: 4px '
            '0; max-height: 20em; overflow-y: auto;" tabindex="0" aria-label="Training pictures">'
            + "".join(cells)
            + "</ul>"
            + (f"<p>and {rest} more</p>" if rest else "")
        )
