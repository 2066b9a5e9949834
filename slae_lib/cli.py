"""The command ``slae``: train, sample, look at data and metadata, check the installation."""

import dataclasses
import os
import platform
import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from slae_lib import __version__
from slae_lib.config import RESOLUTIONS, ModelConfig, TrainConfig
from slae_lib.errors import LabError, UsageError
from slae_lib.options import SectionedCommand, config_options, given
from slae_lib.presets import PRESETS

CONTINUABLE = ("iterations", "log_every", "sample_every", "checkpoint_every", "keep_checkpoints")


class _Failure(click.ClickException):
    def __init__(self, error: LabError) -> None:
        super().__init__(str(error))
        self.exit_code = 2 if isinstance(error, UsageError) else 1  # type: ignore[misc]


class LabGroup(click.Group):
    """The group of commands; turns the lab's errors into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command.

        Raises:
            click.ClickException: in place of a `LabError`.
        """
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            return super().invoke(ctx)
        except LabError as error:
            raise _Failure(error) from error


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    # What this lab says to its user is a plain UserWarning; what libraries tell their developers
    # (deprecations and the like) is not for whoever trains a generator.
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


@click.group(
    cls=LabGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, package_name="slae-lib")
def main() -> None:
    r"""SLAE Lab: train a few-shot GAN with spatial attention, and look inside it.

    \b
    First steps:
      slae doctor                           is everything there?
      slae train                            learn 95 drawn faces in minutes on a CPU
      slae train --data MY_PICTURES         learn your own pictures
      slae sample --run runs/MY_RUN         draw new ones
    """


@main.command(cls=SectionedCommand)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="cpu-demo",
    show_default=True,
    help="Named configuration; every option below changes one thing in it.",
)
@click.option(
    "--data",
    default="openmoji-faces",
    show_default=True,
    help="Name of a data set (see `slae data list`) or a folder of pictures.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run  [default: runs/DATA-PRESET]"
)
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Go on with the run in this folder."
)
@click.option("--overwrite", is_flag=True, help="Replace the run that --out already holds.")
@config_options(TrainConfig, "Training")
@config_options(ModelConfig, "Networks")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    preset: str,
    data: str,
    out: Path | None,
    resume: Path | None,
    overwrite: bool,
    **fields: Any,
) -> None:
    r"""Train a generator and leave it, with pictures, in the folder of a run.

    \b
    Presets:
    {presets}
    """
    from slae_lib.runs import check_folder, prepare_folder

    if resume is not None:
        _continue(ctx, resume, fields)
        return
    chosen = PRESETS[preset]
    model = dataclasses.replace(chosen.model, **given(ModelConfig, fields))
    config = dataclasses.replace(chosen.train, **given(TrainConfig, fields))
    run = out or Path("runs") / f"{Path(data).resolve().name}-{preset}"
    check_folder(run, overwrite)
    model, images, bank = _load(model, config, data)

    import torch

    from slae_lib.runs import RunInfo
    from slae_lib.training import check_inputs

    check_inputs(model, config, images, bank)
    if _is_first_process():
        prepare_folder(run, overwrite)
        RunInfo(
            model=model,
            train=config,
            data=data if images.folder is None else str(Path(data).expanduser().resolve()),
            data_fingerprint=images.fingerprint,
            versions={
                "slae-lib": __version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
            },
        ).save(run)
    _train(ctx, model, config, images, bank, run, resume=False)


assert train.help is not None
train.help = train.help.format(
    presets="\n    ".join(f"  {name:<11} {preset.title}" for name, preset in PRESETS.items())
)


def _continue(ctx: click.Context, run: Path, fields: dict[str, Any]) -> None:
    from slae_lib.checkpoint import load_checkpoint
    from slae_lib.runs import RunInfo, newest_checkpoint

    source = click.core.ParameterSource.COMMANDLINE
    changed = [name for name in ctx.params if ctx.get_parameter_source(name) == source]
    fixed = sorted(set(changed) - {"resume", *CONTINUABLE})
    if fixed:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in fixed)
        raise UsageError(
            f"A resumed run keeps its configuration; leave out {options}, or start a new run."
        )
    info = RunInfo.load(run)
    config = dataclasses.replace(info.train, **given(TrainConfig, fields))
    reached = load_checkpoint(newest_checkpoint(run))["iteration"]
    if reached >= config.iterations:
        raise UsageError(
            f"{run} has already done its {reached} iterations; "
            f"train on with --iterations and a greater number."
        )
    model, images, bank = _load(info.model, config, info.data)
    if images.fingerprint != info.data_fingerprint:
        raise LabError(
            f"{info.data} no longer holds the pictures that {run} was started with; "
            "bring them back, or start a new run."
        )
    if config != info.train and _is_first_process():
        dataclasses.replace(info, train=config).save(run)
    click.echo(f"Going on at iteration {reached} of {config.iterations}.")
    _train(ctx, model, config, images, bank, run, resume=True)


def _load(model: ModelConfig, config: TrainConfig, data: str) -> tuple[ModelConfig, Any, Any]:
    from slae_lib.datasets import load_images
    from slae_lib.metadata_store import bank_for

    images = load_images(data, model.resolution)
    bank = None
    if model.metadata:
        bank = bank_for(data, config.metadata_layer, images=images)
        # Other layers of VGG-16 have fewer channels.
        model = dataclasses.replace(model, metadata_dim=bank.values.shape[1])
    return model, images, bank


def _train(
    ctx: click.Context,
    model: ModelConfig,
    config: TrainConfig,
    images: Any,
    bank: Any,
    run: Path,
    *,
    resume: bool,
) -> None:
    from slae_lib.gallery import write_gallery
    from slae_lib.training import train as run_training

    first = _is_first_process()
    if first:
        with_metadata = "with metadata" if model.metadata else "without metadata"
        click.echo(
            f"Training on {len(images)} pictures of {images.name} at {model.resolution} px: "
            f"{model.skip.upper()} links, {with_metadata}, {config.iterations} iterations of "
            f"{config.batch_size}."
        )
    finished = run_training(model, config, images, bank, run, resume=resume)
    if not first:
        return
    folder = shlex.quote(str(run))
    if not finished:
        click.echo(f"Stopped, with a checkpoint. Go on with: slae train --resume {folder}")
        ctx.exit(130)
    click.echo("\nMade:")
    for path, text in write_gallery(run, images):
        click.echo(f"  {path!s:<32} {text}")
    click.echo(f"  {run / 'generator.safetensors'!s:<32} the generator")
    click.echo("\nNext:")
    click.echo(f"  slae sample --run {folder} --seed 1          draw other images")
    more = 2 * config.iterations
    click.echo(f"  slae train --resume {folder} --iterations {more}   train on")
    click.echo("  slae train --data FOLDER             learn your own pictures")


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


@main.command()
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
    help="Sheet of all images  [default: samples-SEED.png beside the generator]",
)
@click.option(
    "--each", type=click.Path(path_type=Path), help="Folder to write each image to as well."
)
def sample(
    run: Path, count: int, seed: int, mode: str, out: Path | None, each: Path | None
) -> None:
    """Draw images from a trained generator."""
    from slae_lib.sampling import sample_images, save_images

    file = run / "generator.safetensors" if run.is_dir() else run
    images = sample_images(file, count, seed, mode)
    sheet = out or file.parent / f"samples-{seed}.png"
    for path in save_images(images, sheet, each):
        click.echo(path)


@main.group()
def data() -> None:
    """Look at data sets."""


@data.command("list")
def data_list() -> None:
    """List the data sets that the lab knows by name."""
    from slae_lib.datasets import DATA_SETS

    click.echo(f"{'name':<26} {'images':>6}  {'here':<5} title")
    for name, info in DATA_SETS.items():
        here = "yes" if info.builtin or info.folder.is_dir() else "no"
        click.echo(f"{name:<26} {info.images or '?':>6}  {here:<5} {info.title}")
    click.echo("\nAny folder of pictures can be used as well: --data FOLDER")


@data.command("show")
@click.argument("data")
@click.option("--resolution", type=click.Choice(RESOLUTIONS), default=64, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a sheet of the pictures to this file."
)
def data_show(data: str, resolution: int, out: Path | None) -> None:
    """Show what the lab sees of a data set or folder, as it will train on it."""
    from slae_lib.datasets import DATA_SETS, load_images
    from slae_lib.sampling import save_images

    if data in DATA_SETS:
        info = DATA_SETS[data]
        click.echo(f"{info.title}\n  licence      {info.licence}\n  source       {info.source}")
    images = load_images(data, resolution)
    click.echo(f"  pictures     {len(images)}, at {resolution} px")
    click.echo(f"  first, last  {images.names[0]}, {images.names[-1]}")
    click.echo(f"  kept in      {'memory' if images.in_memory else 'files'}")
    click.echo(f"  fingerprint  {images.fingerprint}")
    if out is not None:
        for path in save_images(images.batch(range(min(len(images), 400))), out):
            click.echo(f"  sheet        {path}")


@main.group("metadata")
def metadata_group() -> None:
    """Extract VGG-16 metadata of images and look at it."""


@metadata_group.command("extract")
@click.option("--data", required=True, help="Name of a data set or a folder of pictures.")
@click.option("--layer", default="relu5_3", show_default=True, help="A relu of VGG-16.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File  [default: where training looks for it]"
)
def metadata_extract(data: str, layer: str, out: Path | None) -> None:
    """Extract the metadata of every picture with VGG-16, once.

    Training does the same by itself the first time it meets a data set.
    """
    from slae_lib.datasets import load_images
    from slae_lib.metadata import RESOLUTION
    from slae_lib.metadata_store import cached_file, extract

    images = load_images(data, RESOLUTION)
    bank = extract(images, layer)
    path = out or cached_file(images, layer)
    bank.save(path)
    click.echo(f"{path}: {len(bank)} pictures, {bank.values.shape[1]} numbers each")


@metadata_group.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--neighbours", "picture", help="Name of a picture: show the ones most like it.")
def metadata_show(file: Path, picture: str | None) -> None:
    """Show what a metadata file holds."""
    from slae_lib.metadata import MetadataBank

    bank = MetadataBank.load(file)
    values = bank.values
    click.echo(f"pictures     {len(bank)} of {bank.data_name}")
    click.echo(f"layer        {bank.layer} of VGG-16, {values.shape[1]} channels")
    click.echo(f"resolution   {bank.resolution} px")
    click.echo(f"raw values   mean {values.mean():.3f}, deviation {values.std():.3f}")
    click.echo(f"weights      {bank.weights}")
    click.echo(f"fingerprint  {bank.data_fingerprint}")
    if picture is not None:
        if picture not in bank.names:
            raise UsageError(f"{file} has no picture {picture!r}; its first is {bank.names[0]!r}.")
        row = values[bank.names.index(picture)]
        indices, cosines = bank.nearest(row, 6)
        for index, cosine in zip(indices.flatten(), cosines.flatten(), strict=True):
            click.echo(f"  {float(cosine):.3f}  {bank.names[int(index)]}")


@main.command()
def doctor() -> None:
    """Check the installation: versions, device, weights, data, disk."""
    from slae_lib.doctor import examine

    failed = False
    for line in examine():
        click.echo(line)
        failed |= line.startswith("[FAIL]")
    if failed:
        raise click.ClickException("Mend the lines with [FAIL] first.")


if __name__ == "__main__":
    sys.exit(main())
