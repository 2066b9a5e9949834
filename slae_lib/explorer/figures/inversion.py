"""An inversion as files: a picture beside its reconstruction, and the pictures around it."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from slae_lib.datasets import ImageSet
from slae_lib.evaluation.backtracking import DistanceKind
from slae_lib.explorer.directions import SHARES, Direction, directions
from slae_lib.explorer.inversion import Inversion, invert, training_or_none
from slae_lib.explorer.latents import SUFFIX
from slae_lib.explorer.search import distance_at_hand, picture_tensor
from slae_lib.explorer.words import picture_label
from slae_lib.plotting.base import (
    ATTENTION_COLORS,
    color_bar,
    credit,
    draw_picture,
    label_row,
    new_figure,
    to_pixels,
)
from slae_lib.plotting.style import in_own_style, save_figure
from slae_lib.support.files import atomic_write, check_writable
from slae_lib.training.sampling import GeneratedImages

LATENT = f"latent{SUFFIX}"


def invert_file(
    picture: Path,
    folder: Path,
    samples: GeneratedImages,
    find_training: Callable[[], ImageSet],
    distance: DistanceKind | None,
    **search: int,
) -> list[str]:
    """Invert a picture file, write what `write_inversion` does, and return what to say of it.

    Args:
        picture: the file.
        folder: of what is written.
        samples: of the generator, with the seed of the starts.
        find_training: gives the training pictures, or raises `LabError`.
        distance: as for `distance_at_hand`.
        search: steps and restarts, as for `invert`.

    Raises:
        UsageError: if there is no such picture.
        LabError: if it cannot be used, or a file cannot be written.
    """
    check_writable(folder / LATENT)
    target = picture_tensor(picture, samples.resolution)
    training = training_or_none(find_training)
    measure = distance_at_hand(distance, samples.device)
    found = invert(samples, target, picture.name, measure, training, **search)
    return [*found.told(), "", *map(str, write_inversion(folder, found, samples, training))]


def write_inversion(
    folder: Path, found: Inversion, samples: GeneratedImages, training: ImageSet | None
) -> list[Path]:
    """Write latent.safetensors, inverted.png and changed.png, and return their paths.

    Raises:
        LabError: if a file cannot be written.
    """
    paths = [folder / name for name in (LATENT, "inverted.png", "changed.png")]
    facts = {"distance": found.distance_name, "value": found.distance}
    found.latent.save(paths[0], samples, **facts)
    makers = None if training is None else training.attribution
    around = directions(samples, found.latent, training)
    figures = inversion_figure(found, makers), directions_figure(around, makers)
    for path, figure in zip(paths[1:], figures, strict=True):
        with atomic_write(path) as temporary:
            save_figure(figure, temporary, dpi=110)
    return paths


@in_own_style
def inversion_figure(found: Inversion, attribution: str | None = None) -> Figure:
    """Draw target, reconstruction, their difference and the nearest training picture.

    Args:
        found: what to draw.
        attribution: who made the training pictures.
    """
    pictures = [
        ("target", found.target, found.latent.names[0]),
        ("reconstruction", found.reconstruction, f"{found.distance_name} {found.distance:.3f}"),
    ]
    near = found.neighbour
    count = 3 if near is None else 4
    figure = new_figure(2.9 * count + 0.6, 3.6)
    axes = figure.subplots(1, count)
    if near is not None:
        title = f"nearest {'other ' if found.known else ''}training picture"
        words = f"{picture_label(near.name)}\n{found.distance_name} {near.distance:.3f}"
        pictures.append((title, near.image, words))
    places = [axes[0], axes[1], *axes[3:]]
    for axis, (title, image, words) in zip(places, pictures, strict=True):
        draw_picture(axis, to_pixels(image), title)
        axis.set_xlabel(words, fontsize=9)
    error = (found.target.float() - found.reconstruction.float()).abs().mean(dim=0)  # (R, R)
    top = max(1.0, float(error.max()))
    drawn = draw_picture(axes[2], error.numpy(), "error", cmap=ATTENTION_COLORS, vmin=0, vmax=top)
    color_bar(figure, drawn, axes[2], label="mean of |difference| (0 to 255)", shrink=0.8)
    credit(figure, attribution)
    return figure


@in_own_style
def directions_figure(found: Sequence[Direction], attribution: str | None = None) -> Figure:
    """Draw a reconstruction changed step by step, a row for each `Direction`.

    Args:
        found: what to draw.
        attribution: who made the training pictures.
    """
    shown = any(direction.goal is not None for direction in found)
    columns = len(SHARES) + shown
    figure = new_figure(1.6 * columns + 2.2, 1.65 * len(found) + 0.7)
    axes = figure.subplots(len(found), columns, squeeze=False)
    for row, direction in zip(axes, found, strict=True):
        for axis, image in zip(row, direction.images, strict=False):
            draw_picture(axis, to_pixels(image))
        if shown and direction.goal is not None:
            draw_picture(row[-1], to_pixels(direction.goal))
        elif shown:
            row[-1].set_axis_off()
        goal = (
            f"the metadata of {picture_label(direction.name)}" if direction.name else "other noise"
        )
        label_row(row[0], textwrap.fill(f"toward {goal}", 22, break_on_hyphens=False))
    for axis, share in zip(axes[0], SHARES, strict=False):
        axis.set_title("reconstruction" if share == 0 else f"{share:.0%}", fontsize=10)
    if shown:
        axes[0][-1].set_title("training picture", fontsize=10)
    credit(figure, attribution)
    return figure
