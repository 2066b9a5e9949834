"""The metadata explorer: what VGG-16 finds alike, and what one picture's metadata does."""

import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer.base import Explorer, Still
from slae_lib.explorer.controls import column, control, find_ipywidgets, row, why_no_controls
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.plane import on_page, principal_plane, side_by_side
from slae_lib.explorer.scene import picture_metadata, seeded_noise
from slae_lib.explorer.source import Source, data_of, existing, memory_in_words
from slae_lib.explorer.words import picture_label, place
from slae_lib.plotting.explorer_pages import Neighbour, grid_for, metadata_figure
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_uint8

MOST_THUMBNAILS = 400
NOISES = 4
_STEPS = 3000  # fine enough to find a place's third of the map


class MetadataExplorer(Explorer):
    """A bank of metadata as a map: similar pictures lie close, and one of them is picked.

    With a run, the same noises are shown with and without the metadata of the picked picture.

    Args:
        source: a bank, its file, or a run with a generator that takes metadata.

    Attributes:
        bank: what is shown; None before one was opened.
        controls: by name: run, picture, neighbours, seed; empty without ipywidgets.
    """

    def __init__(self, source: MetadataBank | str | Path) -> None:
        super().__init__()
        self.bank: MetadataBank | None = None
        self.controls: dict[str, Any] = {}
        self._source: Source | None = None
        self._pictures = TrainingPictures(None, None)
        self._places = torch.zeros(0, 2)
        self._share = 0.0
        self._thumbnails: list[Tensor | None] = []
        self._given = source if isinstance(source, MetadataBank) else None
        self._wanted = "a bank in memory" if self._given is not None else str(source)
        self._asked: str | None = None
        if find_ipywidgets() is not None:
            self._make_controls()
        self.updates.now()

    def static(self, picture: str | None = None, *, neighbours: int = 4, seed: int = 0) -> Still:
        """Return a picture without controls.

        Args:
            picture: name of a picture in the bank; the one that is picked when not given.
            neighbours: how many similar pictures are named.
            seed: of the noises.

        Raises:
            LabError: if there is nothing to show, or no such picture.
        """
        self.updates.settle()
        if self.bank is None:
            raise LabError(self.message)
        return self._still(picture or self._choice()[0], neighbours, seed)

    def _make_controls(self) -> None:
        widgets = find_ipywidgets()
        assert widgets is not None
        self.controls = {
            "run": control(
                "Text",
                "Run or bank",
                "Folder of a run, or a file of metadata",
                value=self._wanted,
                continuous_update=False,
                disabled=self._given is not None,
            ),
            "picture": control("Dropdown", "Picture", "The picture to look at"),
            "neighbours": control(
                "BoundedIntText", "Neighbours", "How many are shown", value=4, min=1, max=8
            ),
            "seed": control(
                "BoundedIntText", "Seed", "Of the noises", value=0, min=0, max=2**31 - 1
            ),
        }
        for part in self.controls.values():
            part.observe(self.updates.request, "value")
        columns = [
            column("Metadata", [self.controls["run"], self.controls["picture"]]),
            column("What to show", [self.controls["neighbours"], self.controls["seed"]]),
        ]
        self.widget = widgets.VBox([row(columns), *self._outputs()])

    def _update(self) -> None:
        wanted = self.controls["run"].value.strip() if self.controls else self._wanted
        if wanted != self._asked:
            self._asked = wanted
            self._open(wanted)
        if self.bank is None:
            return
        self._show(self._still(*self._choice()))
        self._say("")

    def _choice(self) -> tuple[str, int, int]:
        assert self.bank is not None
        if not self.controls:
            return self.bank.names[0], 4, 0
        values = [self.controls[name].value for name in ("picture", "neighbours", "seed")]
        return values[0], values[1], values[2]

    def _open(self, wanted: str) -> None:
        source, bank, data = None, self._given, None
        if bank is None and wanted.endswith(".safetensors"):
            # What is no bank may be a generator, and if not, that is said below.
            with contextlib.suppress(LabError):
                bank = MetadataBank.load(existing(wanted))
        if bank is None:
            source = Source(wanted)
            if source.bank is None:
                raise LabError(
                    source.trouble
                    or f"The generator of {wanted} takes no metadata, so there is no map of it; "
                    "open another run."
                )
            bank, data = source.bank, source.data
        self.bank, self._source = bank, source
        self._pictures = TrainingPictures(bank, data or data_of(bank))
        # The direction is what the generator takes of it, and what a cosine compares.
        places, self._share = principal_plane(torch.nn.functional.normalize(bank.rows()))
        self._places = on_page(places)
        if len(bank) <= MOST_THUMBNAILS:
            self._places = side_by_side(self._places, *grid_for(len(bank)))
        shown = self._pictures.many(list(bank.names[:MOST_THUMBNAILS]))
        self._thumbnails = [*shown, *[None] * (len(bank) - len(shown))]
        if self.controls:
            with self.updates.paused():
                options = [(picture_label(name), name) for name in bank.names]
                self.controls["picture"].options = options
                self.controls["picture"].value = bank.names[0]
                self.controls["seed"].disabled = source is None

    def _still(self, picture: str, count: int, seed: int) -> Still:
        bank = self.bank
        assert bank is not None
        if picture not in bank.names:
            raise LabError(f"The bank has no picture {picture!r}; choose one by its name.")
        index = bank.names.index(picture)
        cosines, indices = bank.nearest(bank.values[index], count + 1)
        neighbours = [
            Neighbour(at, bank.names[at], cosine)
            for cosine, at in zip(cosines.tolist(), indices.tolist(), strict=True)
            if at != index
        ][:count]
        without, generated = self._images(picture, seed)
        label = picture_label(picture)
        figure = metadata_figure(
            self._places,
            self._thumbnails,
            index,
            neighbours,
            name=label,
            without=without,
            generated=generated,
        )
        facts = self._facts_of(index, neighbours, without, generated, seed)
        alt = (
            f"A map of the {len(bank)} pictures of {bank.data_name}, similar ones close together. "
            f"Beside it {label} with its neighbours"
            + (", and images of the same noises with and without its metadata. " if
               generated is not None else ". ")
            + " ".join(facts)
        )  # fmt: skip
        return Still(figure, facts, alt, why_no_controls(), self._pictures.attribution)

    def _images(self, picture: str, seed: int) -> tuple[Tensor | None, Tensor | None]:
        """Return images of the same noises with zero metadata and with the picture's."""
        source = self._source
        if source is None:
            return None, None
        generator = source.generator(next(iter(source.files)))
        channels = generator.config.metadata_dim
        noise = seeded_noise(seed, generator, NOISES)
        zeros = torch.zeros(NOISES, channels)
        picked = picture_metadata(picture, source.bank, source.scale, channels)
        with memory_in_words(f"{NOISES} images of {generator.config.resolution} px"):
            both = [generator(noise, rows) for rows in (zeros, picked.expand(NOISES, -1))]
        return to_uint8(both[0].image), to_uint8(both[1].image)

    def _facts_of(
        self,
        index: int,
        neighbours: list[Neighbour],
        without: Tensor | None,
        generated: Tensor | None,
        seed: int,
    ) -> list[str]:
        bank = self.bank
        assert bank is not None
        x, y = self._places[index].tolist()
        row_, column_ = (int(_STEPS * value * 0.9999) for value in (1 - y, x))
        listed = ", ".join(f"{picture_label(n.name)} ({n.cosine:.2f})" for n in neighbours)
        facts = [
            f"{picture_label(bank.names[index])} lies at the "
            f"{place(row_, column_, _STEPS, _STEPS)} of the map.",
            f"Most similar of {len(bank)} pictures, by the cosine of their metadata: {listed}.",
            f"The map keeps {self._share:.0%} of how the pictures differ, and moves them aside so "
            "that none hides another: a neighbour in the map need not be one in truth.",
        ]
        if without is None or generated is None:
            facts.append("Without a generator, what this does to an image cannot be shown.")
        else:
            moved = float((generated.float() - without.float()).abs().mean())
            facts.append(
                f"{NOISES} noises of seed {seed}: with this metadata, colours differ by "
                f"{moved:.1f} of 255 on average from the images with zero metadata."
            )
        return facts
