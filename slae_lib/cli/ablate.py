"""``slae ablate``."""

import shlex
import sys
from pathlib import Path

import click

from slae_lib.cli.options import LateChoice, SpreadGroup
from slae_lib.support.files import short
from slae_lib.training.presets import PRESETS


@click.group(cls=SpreadGroup, invoke_without_command=True)
@click.option(
    "--data",
    default="fluent-faces",
    show_default=True,
    help="Name of a data set (see `slae data list`) or a folder of pictures.",
)
@click.option(
    "--seeds",
    type=click.IntRange(0),
    multiple=True,
    default=(0, 1, 2),
    show_default=True,
    help="Of the runs; one or more. With fewer than three the intervals say next to nothing.",
)
@click.option(
    "--systems",
    type=LateChoice("slae_lib.ablation.systems:all_systems"),
    multiple=True,
    show_default="the paper's five",
    help="What to compare; one or more.",
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="cpu-demo",
    show_default=True,
    help="Networks and settings of FastGAN and SLAE; StyleGAN2 takes over what it can.",
)
@click.option(
    "--images",
    type=click.IntRange(2),
    help="Real images that each run sees, with repetition  [default: the preset's]",
)
@click.option(
    "--points",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="How many times each run is measured; the last time is its end.",
)
@click.option(
    "--count",
    type=click.IntRange(2),
    default=5000,
    show_default=True,
    help="Generated images for each measurement. On two CPU cores 1,000 take some minutes.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of runs  [default: runs/ablation-DATA]"
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="JSON file for the numbers; table and plot go beside it  [default: in --out]",
)
def ablate(
    data: str,
    seeds: tuple[int, ...],
    systems: tuple[str, ...],
    preset: str,
    images: int | None,
    points: int,
    count: int,
    out: Path | None,
    results: Path | None,
) -> None:
    """Test the paper's claims: FastGAN, + metadata, + SLAE, + both, and StyleGAN2.

    Every system is trained with every seed on the same data, sees as many images in the same
    order, and is measured with FID and KID along the way. Stop it with Ctrl-C and type the same
    command again to go on. Runs of different seeds can be started side by side with the same
    --out; what is finished there with the same settings is gathered into one table.
    """
    if click.get_current_context().invoked_subcommand:
        return
    from slae_lib.ablation import SYSTEMS, Ablation, final_table, run_ablation
    from slae_lib.plotting.ablation import write_page

    folder = out or Path("runs") / f"ablation-{short(Path(data).resolve().name)}"
    ablation = Ablation(
        data=data,
        folder=folder,
        systems=tuple(dict.fromkeys(systems or SYSTEMS)),
        seeds=tuple(dict.fromkeys(seeds)),
        images=images,
        points=points,
        count=count,
        preset=preset,
    )
    file = results or folder / "ablation.json"
    try:
        found = run_ablation(ablation, shlex.join(["slae", *sys.argv[1:]]), file, click.echo)
    except KeyboardInterrupt:
        click.echo("Stopped, with a checkpoint. The same command goes on.")
        raise click.exceptions.Exit(130) from None
    click.echo(f"\n{final_table(found)}\n\nMade:")
    for path in (file, *write_page(found, file)):
        click.echo(f"  {path}")


@ablate.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
def submit(run: Path, table: Path) -> None:
    """Add a finished RUN, such as runs/ablation-fluent-faces/slae-3, to TABLE, a CSV file of many.

    The first run makes the table. All others need its pictures, preset and numbers of images.
    """
    from slae_lib.course import capstone

    *_, row = rows = capstone.submit(run, table)
    click.echo(f"{table}: {row['system']} with seed {row['seed']} is row {len(rows)}.")
