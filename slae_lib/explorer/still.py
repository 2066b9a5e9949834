"""Pictures without controls: a view of the stage, and the map of a metadata bank."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer.base import Still
from slae_lib.explorer.faces import Faces
from slae_lib.explorer.figures.pages import metadata_figure
from slae_lib.explorer.figures.view import view_figure
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.scene import View, make_scene, picture_metadata, seeded_noise, view_of
from slae_lib.explorer.source import Source, data_of, memory_in_words
from slae_lib.explorer.words import picture_label, place, view_alt, view_facts
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_uint8

NOISES = 4
_STEPS = 3000  # fine enough to find a place's third of the map


def still(run: str | Path | Source, view: View | None = None, **changes: Any) -> Still:
    """Return a view of a run as a picture with its facts.

    Args:
        run: the folder of a run, a generator.safetensors or a checkpoint.
        view: the view; the first one of the run when not given.
        changes: settings of a `View` that differ, such as ``seed=3, link="8->32"`` or
            ``attention="ones"``.

    Raises:
        LabError: if there is nothing to show, or a change cannot be had.
    """
    source = run if isinstance(run, Source) else Source(run)
    view = view_of(source, view, **changes)
    scene = make_scene(view, source)
    figure = view_figure(
        scene.image,
        scene.gates,
        link=view.link,
        attention=scene.attention,
        plain_image=scene.plain_image if view.changes else None,
        plain_gates=scene.plain_gates if view.changes else None,
    )
    metadata = source.generator(view.checkpoint).config.metadata
    facts = view_facts(view, scene, metadata=metadata)
    pictures = TrainingPictures(source.bank, source.data)
    return Still(figure, facts, view_alt(view, scene, facts), pictures.attribution)


def bank_still(
    of: MetadataBank | str | Path, picture: str | None = None, *, neighbours: int = 4, seed: int = 0
) -> Still:
    """Return a bank of metadata as a map: similar pictures lie close, and one of them is picked.

    With a run, the same noises are shown with and without the metadata of the picked picture.

    Args:
        of: a bank, or a run whose generator takes metadata.
        picture: name of a picture in the bank; the first one when not given.
        neighbours: how many similar pictures are named.
        seed: of the noises.

    Raises:
        LabError: if there is nothing to show, or no such picture.
    """
    source = None if isinstance(of, MetadataBank) else Source(of)
    bank = of if isinstance(of, MetadataBank) else source and source.bank
    if bank is None:
        raise LabError(
            source.trouble
            if source is not None and source.trouble
            else f"The generator of {of} takes no metadata, so there is no map; open another run."
        )
    picture = bank.names[0] if picture is None else picture
    if picture not in bank.names:
        raise LabError(f"The bank has no picture {picture!r}; choose one by its name.")
    faces = Faces(bank, TrainingPictures(bank, (source and source.data) or data_of(bank)))
    index, label = bank.names.index(picture), picture_label(picture)
    near = dict(faces.nearest(index, neighbours))
    without, generated = _images(source, picture, seed)
    figure = metadata_figure(
        faces.places, faces.thumbnails, index, near,
        name=label, without=without, generated=generated,
    )  # fmt: skip
    x, y = faces.places[index].tolist()
    at_row, at_column = (int(_STEPS * value * 0.9999) for value in (1 - y, x))
    similar = ", ".join(
        f"{picture_label(bank.names[at])} ({cosine:.2f})" for at, cosine in near.items()
    )
    facts = [
        f"{label} lies at the {place(at_row, at_column, _STEPS, _STEPS)} of the map.",
        f"Most similar of {len(bank)} pictures, by the cosine of their metadata: {similar}.",
        f"The map keeps {faces.share:.0%} of how the pictures differ, and moves them aside so "
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
    return Still(figure, facts, f"{alt}. {' '.join(facts)}", faces.pictures.attribution)


def _images(
    source: Source | None, picture: str, seed: int
) -> tuple[Tensor | None, Tensor | None]:
    """Return images of the same noises with zero metadata and with the picture's."""
    if source is None:
        return None, None
    generator = source.generator(next(iter(source.files)))
    channels = generator.config.metadata_dim
    noise = seeded_noise(seed, generator, NOISES)
    picked = picture_metadata(picture, source.bank, source.scale, channels)
    with memory_in_words(f"{NOISES} images of {generator.config.resolution} px"):
        both = [
            generator(noise, rows)
            for rows in (torch.zeros(NOISES, channels), picked.expand(NOISES, -1))
        ]
    return to_uint8(both[0].image), to_uint8(both[1].image)
