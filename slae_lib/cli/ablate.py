"""``slae ablate``."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from slae_lib.cli.options import DATA_SET, PATH, LateChoice, SpreadGroup, choice, number, path
from slae_lib.support.files import short
from slae_lib.training.presets import PRESETS


@click.group(cls=SpreadGroup, invoke_without_command=True)
@DATA_SET
@number("--seeds", (0, 1, 2), "One or more; intervals want three at least.", least=0, multiple=True)
@click.option(
    "--systems",
    type=LateChoice("slae_lib.ablation.systems:all_systems"),
    multiple=True,
    show_default="the paper's five",
    help="What to compare; one or more.",
)
@choice("--preset", "cpu-demo", PRESETS, "Of FastGAN and SLAE; StyleGAN2 takes what it can.")
@number("--images", None, "That each run sees, with repetition  [default: the preset's]", least=2)
@number("--resolution", None, "Of the images  [default: the preset's]")
@number("--width", None, "Of the networks  [default: the preset's]")
@number("--points", 4, "How many times each run is measured; the last time is its end.")
@number(
    "--count",
    5000,
    "Generated images for each measurement. On two CPU cores 1,000 take some minutes.",
    least=2,
)
@path("--out", "Folder of runs  [default: runs/ablation-DATA]")
@path("--results", "JSON file for the numbers; table and plot go beside it  [default: in --out]")
def ablate(
    data: str,
    seeds: tuple[int, ...],
    systems: tuple[str, ...],
    out: Path | None,
    results: Path | None,
    **settings: Any,
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
        **settings,
    )
    file = results or folder / "ablation.json"
    try:
        found = run_ablation(ablation, shlex.join(["slae", *sys.argv[1:]]), file, click.echo)
    except KeyboardInterrupt:
        click.echo("Stopped, with a checkpoint. The same command goes on.")
        raise click.exceptions.Exit(130) from None
    click.echo(f"\n{final_table(found)}\n\nMade:")
    for made in (file, *write_page(found, file)):
        click.echo(f"  {made}")


@ablate.command()
@click.argument("run", type=PATH)
@click.argument("table", type=PATH)
def submit(run: Path, table: Path) -> None:
    """Add a finished RUN, such as runs/ablation-fluent-faces/slae-3, to TABLE, a CSV file of many.

    The first run makes the table. All others need its pictures, preset and numbers of images.
    """
    from slae_lib.course import capstone

    *_, row = rows = capstone.submit(run, table)
    click.echo(f"{table}: {row['system']} with seed {row['seed']} is row {len(rows)}.")
