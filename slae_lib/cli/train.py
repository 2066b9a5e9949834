"""``slae train``."""

import dataclasses
import functools
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slae_lib.cli.options import DATA_SET, SectionedCommand, choice, config_options, given, path
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import short
from slae_lib.training.config import RunConfig
from slae_lib.training.families import all_presets, families
from slae_lib.training.presets import Preset

if TYPE_CHECKING:
    from slae_lib.training.run import RunInfo

USUAL = "cpu-demo"
usual_preset = all_presets()[USUAL]
HELP = f"""Train a generator and leave it, with pictures, in the folder of a run.

The defaults below are those of --preset {USUAL}; another preset has its own.

\b
Several processes, each with --batch-size images per step:
  accelerate launch --num_processes 2 -m slae_lib train   a GPU for each
  torchrun --nproc-per-node 2 -m slae_lib train           on a CPU

\b
Presets:
""" + "\n".join(f"  {name:<13} {preset.title}" for name, preset in all_presets().items())


def _names(*configs: type) -> set[str]:
    return {field.name for config in configs for field in dataclasses.fields(config)}


def _family_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every family; what an earlier one has as well is there once."""
    offered: set[str] = set()
    sections = []
    shown = {type(part): part for part in (usual_preset.model, usual_preset.train)}
    for family in families():
        alone = f" of {family.title}" if offered else ""
        for config, title in ((family.train, "Training"), (family.model, "Networks")):
            usual = shown.get(config) or config()
            sections.append(config_options(config, f"{title}{alone}", offered, usual))
            offered = offered | _names(config)
    for section in reversed(sections):
        command = section(command)
    return command


@click.command(cls=SectionedCommand, help=HELP)
@choice(
    "--preset",
    USUAL,
    all_presets(),
    "Named configuration; every option below changes one thing in it.",
)
@DATA_SET
@path("--out", "Folder of the run  [default: runs/DATA-PRESET]")
@path(
    "--resume",
    "Go on with the run in this folder; only its iterations, how often it writes, and the "
    "folder of its pictures can be given anew.",
)
@click.option("--overwrite", is_flag=True, help="Replace the run that --out already holds.")
@_family_options
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
    """Train a generator and leave it, with pictures, in the folder of a run."""
    from slae_lib.training.loop import check_inputs
    from slae_lib.training.run import RunInfo, check_folder, prepare_folder
    from slae_lib.training.start import load_inputs

    if resume is not None:
        _continue(ctx, resume, fields)
        return
    chosen = all_presets()[preset]
    _refuse_foreign(chosen, preset, fields)
    model: Any = dataclasses.replace(chosen.model, **given(type(chosen.model), fields))
    config: Any = dataclasses.replace(chosen.train, **given(type(chosen.train), fields)).settled()
    run = out or Path("runs") / f"{short(Path(data).resolve().name)}-{preset}"
    check_folder(run, overwrite)
    model, images, bank = load_inputs(model, config, data)
    asked = fields.get("metadata_dim")
    if bank is not None and asked not in (None, model.metadata_dim):
        raise UsageError(
            f"The metadata of {config.metadata_layer} have {model.metadata_dim} numbers, and "
            f"--metadata-dim says {asked}; leave it out."
        )

    check_inputs(model, config, images, bank)
    info = RunInfo.of(model, config, images)

    def prepare() -> None:  # as late as possible: --overwrite must not delete a run for nothing
        prepare_folder(run, overwrite)
        info.save(run)

    _train(ctx, info, images, bank, run, resume=False, prepare=prepare)


def _refuse_foreign(chosen: Preset, preset: str, fields: dict[str, Any]) -> None:
    """Raise `UsageError` for an option that the preset's family of models does not have."""
    own = _names(type(chosen.model)) | _names(type(chosen.train))
    foreign = [name for name, value in fields.items() if value is not None and name not in own]
    if foreign:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(foreign))
        raise UsageError(
            f"The models of --preset {preset} have no {options}; leave it out, or choose another "
            "preset."
        )


def _continue(ctx: click.Context, run: Path, fields: dict[str, Any]) -> None:
    from slae_lib.training.run import RunInfo
    from slae_lib.training.start import CONTINUABLE, reached, resume

    source = click.core.ParameterSource.COMMANDLINE
    changed = [name for name in ctx.params if ctx.get_parameter_source(name) == source]
    fixed = sorted(set(changed) - {"resume", "data", *CONTINUABLE})
    if fixed:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in fixed)
        raise UsageError(
            f"A resumed run keeps its configuration; leave out {options}, or start a new run."
        )
    info = RunInfo.load(run)
    changes = given(RunConfig, fields)
    wanted = changes.get("iterations", info.train.iterations)
    done = reached(run)
    if done > wanted or (done == wanted and _is_complete(run, done)):
        raise UsageError(
            f"{run} has already done its {done} iterations; "
            f"train on with --iterations and a greater number."
        )
    now, images, bank = resume(
        run, info, changes, ctx.params["data"] if "data" in changed else None
    )
    click.echo(f"Going on at iteration {done} of {wanted}.")
    prepare = functools.partial(now.save, run)
    _train(ctx, now, images, bank, run, resume=True, prepare=prepare)


def _is_complete(run: Path, iteration: int) -> bool:
    """Whether a run that has done all its iterations has its generator and its pictures too."""
    from slae_lib.plotting.gallery import is_drawn
    from slae_lib.training.checkpoint import generator_facts

    generator = run / "generator.safetensors"
    try:
        made = generator_facts(generator).get("iteration") == str(iteration)
    except LabError:  # missing or damaged
        return False
    return made and is_drawn(run, generator.stat().st_mtime)


def _train(
    ctx: click.Context,
    info: "RunInfo",
    images: Any,
    bank: Any,
    run: Path,
    *,
    resume: bool,
    prepare: Callable[[], None],
) -> None:
    from accelerate import PartialState

    from slae_lib.plotting.gallery import write_gallery
    from slae_lib.support.device import pick_device
    from slae_lib.training.loop import train as run_training
    from slae_lib.training.start import FEW_IMAGES, further

    model, config = info.model, info.train
    # As the training will find them, whatever a launcher was asked for.
    processes = PartialState(cpu=pick_device(config.device).type == "cpu")
    batch_size = config.batch_size * processes.num_processes
    if processes.is_main_process:
        several = "es" if processes.num_processes > 1 else ""
        in_half = "" if config.precision == "no" else f", in {config.precision}"
        click.echo(
            f"Training on {len(images)} pictures of {images.name} at {model.resolution} px: "
            f"{model.title}, {config.iterations} iterations of {batch_size} "
            f"by {processes.num_processes} process{several}{in_half}."
        )
    finished = run_training(model, config, images, bank, run, resume=resume, prepare=prepare)
    if not processes.is_main_process:
        ctx.exit(0 if finished else 130)
    folder = shlex.quote(str(run))
    if not finished:
        click.echo(f"Stopped, with a checkpoint. Go on with: slae train --resume {folder}")
        if (run / "generator.safetensors").is_file():
            click.echo("Until it is finished, generator.safetensors and the pictures stay as old.")
        ctx.exit(130)
    if config.iterations * batch_size < FEW_IMAGES:
        click.echo(f"\n{config.iterations} iterations are few: grey squares and blots are normal.")
    made = [*write_gallery(run, images), (run / "generator.safetensors", "the generator")]
    click.echo("\nMade:")
    _print_columns((str(path), text) for path, text in made)
    longer = further(config.iterations, batch_size)
    click.echo("\nNext:")
    _print_columns(
        [
            (f"slae sample --run {folder} --seed 1", "draw other images"),
            (f"slae train --resume {folder} --iterations {longer}", "train on"),
            ("slae train --data FOLDER", "learn your own pictures"),
        ]
    )


def _print_columns(lines: Iterable[tuple[str, str]]) -> None:
    lines = list(lines)
    width = max(len(first) for first, _ in lines)
    for first, second in lines:
        click.echo(f"  {first:<{width}}  {second}")
