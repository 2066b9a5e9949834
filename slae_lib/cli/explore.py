"""``slae interpolate`` and ``slae invert``."""

from pathlib import Path
from typing import Any

import click

from slae_lib.cli.evaluate import DATA, DEVICE, SEED, run_option
from slae_lib.cli.options import PATH, SpreadCommand, choice, number, path, together

SEARCH = together(
    SEED,
    choice(
        "--distance",
        None,
        ["lpips", "vgg", "l1"],
        "What a found picture is judged by  [default: the first whose weights can be had]",
    ),
    number("--steps", 100, "Of the search for a picture, from each start."),
    number("--restarts", 2, "Random starts of the search."),
    DEVICE,
)


@click.command(cls=SpreadCommand)
@run_option(required=True)
@click.option(
    "--through",
    multiple=True,
    default=["noise"],
    show_default=True,
    help="noise: images that differ in their noise alone; metadata: in that of training pictures "
    "alone; or two or more files: pictures, whose latents are searched, and latents of slae "
    "invert.",
)
@path("--out", ".webp, .gif, or .mp4 (needs ffmpeg).", required=True)
@number("--stops", 4, "Images on the way, of noise or metadata.", least=2)
@number("--frames", 120, "Pictures of the film.", least=2)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 600), default=6, show_default=True, help="Of a round."
)
@click.option("--attention/--no-attention", default=True, help="Maps of the links, if it has some.")
@SEARCH
def interpolate(run: Path, seed: int, device: str, **how: Any) -> None:
    """Make a film from picture to picture, and back to the first."""
    from slae_lib.cli.subjects import Subject
    from slae_lib.explorer.films import make_film
    from slae_lib.support.device import prepare_process

    prepare_process()
    click.echo(make_film(Subject(run, None, seed, device=device).samples, **how))


@click.command()
@click.argument("picture", type=PATH)
@run_option(required=True)
@path("--out", "Folder  [default: inverted-PICTURE beside the generator]")
@SEARCH
@DATA
def invert(
    picture: Path, run: Path, out: Path | None, seed: int, data: str | None, device: str, **how: Any
) -> None:
    """Find the latent that makes a picture, and the pictures around it.

    Writes latent.safetensors (for slae interpolate --through), inverted.png and changed.png.
    """
    from slae_lib.cli.subjects import Subject
    from slae_lib.explorer.figures.inversion import invert_file
    from slae_lib.support.device import prepare_process
    from slae_lib.support.files import short

    prepare_process()
    subject = Subject(run, data, seed, device=device)
    out = out or subject.file.parent / f"inverted-{short(picture.stem)}"
    lines = invert_file(picture, out, subject.samples, lambda: subject.training, **how)
    click.echo("\n".join(lines))
