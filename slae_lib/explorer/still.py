"""Pictures without controls: a view of the stage, and the map of a metadata bank."""

from pathlib import Path
from typing import Any

from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer.base import Still
from slae_lib.explorer.faces import Faces
from slae_lib.explorer.figures.pages import metadata_figure
from slae_lib.explorer.figures.view import view_figure
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.scene import View, make_scene, view_of
from slae_lib.explorer.source import Source, data_of
from slae_lib.explorer.words import picture_label, place, view_alt, view_facts
from slae_lib.support.errors import UsageError
from slae_lib.support.language import said

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


def bank_still(bank: MetadataBank, picture: str, neighbours: int = 4) -> Still:
    """Return a bank of metadata as a map: similar pictures lie close, and one of them is picked.

    Args:
        bank: the metadata.
        picture: name of a picture in it.
        neighbours: how many similar pictures are named.

    Raises:
        UsageError: if there is no such picture.
    """
    if picture not in bank.names:
        raise UsageError(f"The bank has no picture {picture!r}; choose one by its name.")
    faces = Faces(bank, TrainingPictures(bank, data_of(bank)))
    index, label = bank.names.index(picture), picture_label(picture)
    near = dict(faces.nearest(index, neighbours))
    figure = metadata_figure(faces.places, faces.thumbnails, index, near, name=label)
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
    facts = list(map(said, facts))
    alt = said(
        f"A map of the {len(bank)} pictures of {bank.data_name}, similar ones close together. "
        f"Beside it {label} with its neighbours."
    )
    alt += f" {' '.join(facts)}"
    return Still(figure, facts, alt, faces.pictures.attribution)
