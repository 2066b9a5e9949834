"""``slae cost``."""

import json
from pathlib import Path

import click

from slae_lib.cli.options import SpreadCommand
from slae_lib.config import RESOLUTIONS

# The keys of `slae_lib.cost.MODELS`, here once more so that `slae --help` needs no torch.
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
    batch_size: int | None,
    rounds: int,
    device: str,
    reconstruction: str,
    file: Path | None,
) -> None:
    """Show what models cost: parameters, multiplications, time, memory (the paper's table 1)."""
    from slae_lib.cost import MODELS, count, measure
    from slae_lib.cost_table import Row, format_table
    from slae_lib.files import atomic_write

    rows = []
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
    click.echo(format_table(rows))
    if timed and (measured := rows[0].measurement) is not None:
        click.echo(
            f"\nOn {measured.device}: batches of {measured.batch_size}, medians of "
            f"{measured.rounds}; peaks of the memory while training and while sampling."
        )
    if file is not None:
        with atomic_write(file) as temporary:
            content = json.dumps([row.to_dict() for row in rows], indent=2)
            temporary.write_text(content + "\n", encoding="utf-8")
        click.echo(f"\n{file}")
