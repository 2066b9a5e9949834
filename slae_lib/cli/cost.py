"""``slae cost``."""

import json
import shlex
import sys
from pathlib import Path

import click

from slae_lib.cli.options import SpreadCommand
from slae_lib.config import RESOLUTIONS

# The keys of `evaluation.cost.MODELS`, here once more so that `slae --help` needs no torch.
NAMES = ("fastgan", "slae-no-metadata", "slae", "stylegan2")


@click.command(cls=SpreadCommand)
@click.option(
    "--resolution",
    "resolutions",
    type=click.Choice(RESOLUTIONS),
    multiple=True,
    default=(256, 1024),
    show_default=True,
    help="Side length of the images; one or more.",
)
@click.option(
    "--model",
    "models",
    type=click.Choice(NAMES),
    multiple=True,
    default=NAMES,
    show_default="all of them",
    help="What to look at; one or more.",
)
@click.option(
    "--width", type=click.IntRange(8), default=64, show_default=True, help="64 is the paper's."
)
@click.option("--time/--no-time", "timed", help="Measure time and memory too: minutes on a CPU.")
@click.option(
    "--pairs",
    type=click.IntRange(0),
    default=0,
    help="Compare each model's iteration with the first model's, in turn, so many times: much "
    "steadier than two times on their own.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(2),
    help="Images in an iteration  [default: 8, and 2 on a CPU]",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Iterations to time."
)
@click.option("--device", type=click.Choice(("auto", "cpu")), default="auto", show_default=True)
@click.option(
    "--reconstruction",
    type=click.Choice(("lpips", "l1", "none")),
    default="lpips",
    show_default=True,
    help="Distance in the training of FastGAN and SLAE.",
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write exact numbers to this file."
)
def cost(
    resolutions: tuple[int, ...],
    models: tuple[str, ...],
    width: int,
    timed: bool,
    pairs: int,
    batch_size: int | None,
    rounds: int,
    device: str,
    reconstruction: str,
    file: Path | None,
) -> None:
    """Show what models cost: parameters, multiplications, time, memory (the paper's table 1)."""
    from slae_lib.evaluation.cost import MODELS, count, measure, paired_step_time
    from slae_lib.evaluation.cost_table import Pair, Row, format_pairs, format_table
    from slae_lib.support.device import hardware, pick_device
    from slae_lib.support.errors import UsageError
    from slae_lib.support.files import atomic_write
    from slae_lib.training.run import versions

    if pairs and len(models) < 2:
        raise UsageError(
            "--pairs compares the first --model with each of the others and there is one alone; "
            "name two or more."
        )
    rows, compared = [], []
    for resolution in resolutions:
        for model in models:
            config = MODELS[model](resolution, width)
            measurement = None
            if timed:
                click.echo(f"Measuring {model} at {resolution} px ...", err=True)
                measurement = measure(
                    config,
                    batch_size=batch_size,
                    rounds=rounds,
                    device=device,  # type: ignore[arg-type]
                    reconstruction=reconstruction,  # type: ignore[arg-type]
                )
            rows.append(Row(model, config, count(config), measurement))
        for model in models[1:] if pairs else ():
            click.echo(f"Comparing {model} with {models[0]} at {resolution} px ...", err=True)
            times = paired_step_time(
                MODELS[models[0]](resolution, width),
                MODELS[model](resolution, width),
                pairs,
                batch_size=batch_size,
                device=device,  # type: ignore[arg-type]
                reconstruction=reconstruction,  # type: ignore[arg-type]
            )
            compared.append(Pair(models[0], model, resolution, times))
    click.echo(format_table(rows))
    if timed and (measured := rows[0].measurement) is not None:
        click.echo(
            f"\nOn {measured.device}: batches of {measured.batch_size}, medians of "
            f"{measured.rounds}; peaks of the memory while training and while sampling."
        )
    if compared:
        click.echo(f"\n{format_pairs(compared)}")
    if file is not None:
        with atomic_write(file) as temporary:
            values = {
                "format": "slae-lab-cost-1",
                "command": shlex.join(["slae", *sys.argv[1:]]),
                "hardware": hardware(pick_device(device)),
                "versions": versions(),
                "models": [row.to_dict() for row in rows],
                "pairs": [pair.to_dict() for pair in compared],
            }
            content = json.dumps(values, indent=2)
            temporary.write_text(content + "\n", encoding="utf-8")
        click.echo(f"\n{file}")
