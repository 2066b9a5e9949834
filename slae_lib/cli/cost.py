"""``slae cost``."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from slae_lib.cli.options import LateChoice, SpreadCommand
from slae_lib.config import RESOLUTIONS


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
    "names",
    type=LateChoice("slae_lib.evaluation.cost:all_models"),
    multiple=True,
    show_default="the paper's three and StyleGAN2",
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
    names: tuple[str, ...],
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
    from slae_lib.evaluation.cost import MODELS, all_models, count, measure, paired_step_time
    from slae_lib.evaluation.cost_table import format_pairs, format_table
    from slae_lib.support.device import hardware, pick_device, prepare_process
    from slae_lib.support.errors import UsageError
    from slae_lib.support.files import atomic_write
    from slae_lib.training.run import versions

    prepare_process()
    names = names or tuple(MODELS)
    known = all_models()
    if pairs and len(names) < 2:
        raise UsageError(
            "--pairs compares the first --model with each of the others and there is one alone; "
            "name two or more."
        )
    how: dict[str, Any] = {
        "batch_size": batch_size,
        "device": device,
        "reconstruction": reconstruction,
    }
    rows: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    for resolution in resolutions:
        configs = {name: known[name](resolution, width) for name in names}
        for name, config in configs.items():
            row = {"model": name, "resolution": resolution, **asdict(count(config))}
            if timed:
                click.echo(f"Measuring {name} at {resolution} px ...", err=True)
                row |= asdict(measure(config, rounds=rounds, **how))
            rows.append({**row, "config": config.to_dict()})
        for name in names[1:] if pairs else ():
            click.echo(f"Comparing {name} with {names[0]} at {resolution} px ...", err=True)
            times = paired_step_time(configs[names[0]], configs[name], pairs, **how)
            compared.append(
                {
                    "baseline": names[0],
                    "model": name,
                    "resolution": resolution,
                    "times": asdict(times),
                }
            )
    click.echo(format_table(rows))
    if timed:
        click.echo(
            f"\nOn {rows[0]['device']}: batches of {rows[0]['batch_size']}, medians of "
            f"{rounds}; peaks of the memory while training and while sampling."
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
                "models": rows,
                "pairs": compared,
            }
            content = json.dumps(values, indent=2)
            temporary.write_text(content + "\n", encoding="utf-8")
        click.echo(f"\n{file}")
