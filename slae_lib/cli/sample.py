"""``slae sample``."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of a finished run, or a generator.safetensors.",
)
@click.option("--count", type=click.IntRange(1), default=16, show_default=True, help="Images.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise and metadata.")
@click.option(
    "--metadata",
    "mode",
    default="bank",
    show_default=True,
    help="bank: of training images; mix: blends of them; gaussian: drawn from their "
    "distribution; or a picture's file name: of that picture.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Sheet of all images, or of the first ones if they are very many: .png, .jpg or .webp  "
    "[default: samples-SEED.png beside the generator, samples-METADATA-SEED.png with another "
    "--metadata than bank; none with --each]",
)
@click.option("--each", type=click.Path(path_type=Path), help="Folder to write each image to.")
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
    for path in save_images(images, sheet, each, progress=True):
        part = f" (the first {shown} of {count})" if path == sheet and shown < count else ""
        click.echo(f"{path}{part}")
