"""The metadata explorer: what VGG-16 finds alike, and what one picture's metadata does."""

import contextlib
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer.base import Explorer, Still
from slae_lib.explorer.controls import column, control, row
from slae_lib.explorer.figures.pages import grid_for, metadata_figure
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.plane import on_page, principal_plane, side_by_side
from slae_lib.explorer.scene import MOST_SEED, picture_metadata, seeded_noise
from slae_lib.explorer.source import Source, data_of, existing, memory_in_words
from slae_lib.explorer.words import picture_label, place
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
        controls: by name: run, picture, neighbours, seed.
    """

    def __init__(self, source: MetadataBank | str | Path) -> None:
        super().__init__()
        self.bank: MetadataBank | None = None
        self._source: Source | None = None
        self._pictures = TrainingPictures(None, None)
        self._places = torch.zeros(0, 2)
        self._share = 0.0
        self._thumbnails: list[Tensor | None] = []
        self._given = source if isinstance(source, MetadataBank) else None
        self._asked: str | None = None
        self.controls: dict[str, Any] = {
            "run": control(
                widgets.Text, "Run or bank", "Folder of a run, or a file of metadata",
                value=str(source) if self._given is None else "a bank in memory",
                continuous_update=False, disabled=self._given is not None,
            ),
            "picture": control(widgets.Dropdown, "Picture", "The picture to look at"),
            "neighbours": control(
                widgets.BoundedIntText, "Neighbours", "How many are shown", value=4, min=1, max=8
            ),
            "seed": control(
                widgets.BoundedIntText, "Seed", "Of the noises", value=0, min=0, max=MOST_SEED
            ),
        }  # fmt: skip
        path, *choice = self.controls.values()
        self._choice = choice
        for part in self.controls.values():
            part.observe(self.updates.request, "value")
        columns = [column("Metadata", [path, choice[0]]), column("What to show", choice[1:])]
        self.widget = widgets.VBox([row(columns), *self.outputs])
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
        return self._still(self.bank, picture or self.controls["picture"].value, neighbours, seed)

    def _update(self) -> None:
        wanted = self.controls["run"].value.strip()
        if wanted != self._asked:
            self._asked = wanted
            self._open(wanted)
        if self.bank is None:
            return
        self._show(self._still(self.bank, *(part.value for part in self._choice)))
        self._say("")

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
        with self.updates.paused():
            options = [(picture_label(name), name) for name in bank.names]
            self.controls["picture"].options = options
            self.controls["picture"].value = bank.names[0]
            self.controls["seed"].disabled = source is None

    def _still(self, bank: MetadataBank, picture: str, count: int, seed: int) -> Still:
        if picture not in bank.names:
            raise LabError(f"The bank has no picture {picture!r}; choose one by its name.")
        index, label = bank.names.index(picture), picture_label(picture)
        cosines, indices = bank.nearest(bank.values[index], count + 1)
        found = dict(zip(indices.tolist(), cosines.tolist(), strict=True))
        neighbours = {at: found[at] for at in [at for at in found if at != index][:count]}
        without, generated = self._images(picture, seed)
        figure = metadata_figure(
            self._places, self._thumbnails, index, neighbours,
            name=label, without=without, generated=generated,
        )  # fmt: skip
        x, y = self._places[index].tolist()
        at_row, at_column = (int(_STEPS * value * 0.9999) for value in (1 - y, x))
        similar = ", ".join(
            f"{picture_label(bank.names[at])} ({cosine:.2f})" for at, cosine in neighbours.items()
        )
        facts = [
            f"{label} lies at the {place(at_row, at_column, _STEPS, _STEPS)} of the map.",
            f"Most similar of {len(bank)} pictures, by the cosine of their metadata: {similar}.",
            f"The map keeps {self._share:.0%} of how the pictures differ, and moves them aside so "
            "that none hides another: a neighbour in the map need not be one in truth.",
        ]
        alt = (
            f"A map of the {len(bank)} pictures of {bank.data_name}, similar ones close together. "
            f"Beside it {label} with its neighbours"
        )
        if without is None or generated is None:
            facts.append("Without a generator, what this does to an image cannot be shown.")
        else:
            alt += ", and images of the same noises with and without its metadata"
            moved = float((generated.float() - without.float()).abs().mean())
            facts.append(
                f"{NOISES} noises of seed {seed}: with this metadata, colours differ by "
                f"{moved:.1f} of 255 on average from the images with zero metadata."
            )
        return Still(figure, facts, f"{alt}. {' '.join(facts)}", self._pictures.attribution)

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
