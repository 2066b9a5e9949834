"""``slae sample``."""

from pathlib import Path

import click

from slae_lib.cli.options import metadata_option, number, path


@click.command()
@path("--run", "Folder of a finished run, or a generator.safetensors.", required=True)
@number("--count", 16, "Images.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise and metadata.")
@metadata_option(
    "bank: of training images; mix: blends of them; gaussian: drawn from their distribution; or a "
    "picture's file name: of that picture."
)
@path(
    "--out",
    "Sheet of all images, or of the first ones if they are very many: .png, .jpg or .webp  "
    "[default: samples-SEED.png beside the generator, samples-METADATA-SEED.png with another "
    "--metadata than bank; none with --each]",
)
@path("--each", "Folder to write each image to.")
def sample(
    run: Path, count: int, seed: int, mode: str, out: Path | None, each: Path | None
) -> None:
    """Draw images from a trained generator.

    With --each every image is written when it is made: stop it, and those made so far are there.
    """
    from slae_lib.support.device import prepare_process
    from slae_lib.support.files import short
    from slae_lib.training.sampling import GeneratedImages
    from slae_lib.training.sheet import check_sheet, on_sheet, save_images

    file = run / "generator.safetensors" if run.is_dir() else run
    source = "" if mode == "bank" else f"{Path(mode).stem}-"
    beside = None if each else file.parent / f"samples-{short(source)}{seed}.png"
    sheet = out or beside
    if sheet is not None:
        check_sheet(sheet)
    prepare_process()
    images = GeneratedImages.from_file(file, count, seed, mode)
    shown = on_sheet(count, images.resolution)
    for made in save_images(images, sheet, each, progress=True):
        part = f" (the first {shown} of {count})" if made == sheet and shown < count else ""
        click.echo(f"{made}{part}")
