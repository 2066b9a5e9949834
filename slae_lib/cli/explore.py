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
def interpolate(
    run: Path,
    through: tuple[str, ...],
    out: Path,
    stops: int,
    frames: int,
    seconds: float,
    attention: bool,
    seed: int,
    device: str,
    **search: Any,
) -> None:
    """Make a film from picture to picture, and back to the first."""
    from slae_lib.cli.subjects import Subject
    from slae_lib.explorer.films import frames_of, shoot
    from slae_lib.explorer.reels import check_reel, write_reel
    from slae_lib.explorer.search import given_stops
    from slae_lib.explorer.walks import check_frames, seeded_stops, walk
    from slae_lib.support.device import prepare_process

    check_reel(out, frames, seconds)
    prepare_process()
    samples = Subject(run, None, seed, device=device).samples
    if through in (("noise",), ("metadata",)):
        check_frames(frames, stops)
        on_the_way = seeded_stops(samples, through[0], stops)
    else:
        on_the_way = given_stops(samples, [Path(name) for name in through], **search)
    film = shoot(samples, walk(on_the_way, frames), attention)
    write_reel(out, frames_of(film), frames, seconds)
    names = ", ".join(on_the_way.names)
    click.echo(f"{out}: {frames} frames through {names}, and back\n{film.told()}")


@click.command()
@click.argument("picture", type=PATH)
@run_option(required=True)
@path("--out", "Folder  [default: inverted-PICTURE beside the generator]")
@SEARCH
@DATA
def invert(
    picture: Path,
    run: Path,
    out: Path | None,
    seed: int,
    data: str | None,
    device: str,
    distance: Any,
    **search: int,
) -> None:
    """Find the latent that makes a picture, and the pictures around it.

    Writes latent.safetensors (for slae interpolate --through), inverted.png and changed.png.
    """
    from slae_lib.cli.subjects import Subject
    from slae_lib.explorer.figures.inversion import LATENT, write_inversion
    from slae_lib.explorer.inversion import invert as search_for
    from slae_lib.explorer.inversion import training_or_none
    from slae_lib.explorer.search import distance_at_hand, picture_tensor
    from slae_lib.support.device import prepare_process
    from slae_lib.support.files import check_writable, short

    prepare_process()
    subject = Subject(run, data, seed, device=device)
    samples = subject.samples
    out = out or subject.file.parent / f"inverted-{short(picture.stem)}"
    check_writable(out / LATENT)
    target = picture_tensor(picture, samples.resolution)
    training = training_or_none(lambda: subject.training)
    measure = distance_at_hand(distance, samples.device)
    found = search_for(samples, target, picture.name, measure, training, **search)
    click.echo("\n".join([*found.told(), ""]))
    for file in write_inversion(out, found, samples, training):
        click.echo(file)
