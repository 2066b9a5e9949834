"""``slae cost``."""

import itertools
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from slae_lib.cli.options import PATH, LateChoice, SpreadCommand, choice, number
from slae_lib.config import RESOLUTIONS


@click.command(cls=SpreadCommand)
@choice(
    "--resolution",
    (256, 1024),
    RESOLUTIONS,
    "Side length of the images; one or more.",
    multiple=True,
)
@click.option(
    "--model",
    "names",
    type=LateChoice("slae_lib.evaluation.cost:all_models"),
    multiple=True,
    show_default="the paper's three and StyleGAN2",
    help="What to look at; one or more.",
)
@number("--width", 64, "64 is the paper's.", least=8)
@click.option("--time/--no-time", "timed", help="Measure time and memory too: minutes on a CPU.")
@click.option(
    "--pairs",
    type=click.IntRange(0),
    default=0,
    help="Compare each model's iteration with the first model's, in turn, so many times: much "
    "steadier than two times on their own.",
)
@number("--batch-size", None, "Images in an iteration  [default: 8, and 2 on a CPU]", least=2)
@number("--rounds", 3, "Iterations to time.")
@choice("--device", "auto", ("auto", "cpu"), "")
@choice(
    "--reconstruction",
    "lpips",
    ("lpips", "l1", "none"),
    "Distance in the training of FastGAN and SLAE.",
)
@click.option("--json", "file", type=PATH, help="Write exact numbers to this file.")
def cost(
    resolution: tuple[int, ...],
    names: tuple[str, ...],
    width: int,
    timed: bool,
    pairs: int,
    rounds: int,
    file: Path | None,
    **how: Any,
) -> None:
    """Show what models cost: parameters, multiplications, time, memory (the paper's table 1)."""
    from slae_lib.evaluation.cost import MODELS, all_models, count, measure, paired_step_time
    from slae_lib.support.device import hardware, pick_device, prepare_process
    from slae_lib.support.errors import UsageError
    from slae_lib.support.sealed import write_json
    from slae_lib.training.run import versions

    prepare_process()
    names = names or tuple(MODELS)
    known = all_models()
    if pairs and len(names) < 2:
        raise UsageError(
            "--pairs compares the first --model with each of the others and there is one alone; "
            "name two or more."
        )
    rows: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    for side in resolution:
        configs = {name: known[name](side, width) for name in names}
        for name, config in configs.items():
            row = {"model": name, "resolution": side, **asdict(count(config))}
            if timed:
                click.echo(f"Measuring {name} at {side} px ...", err=True)
                row |= asdict(measure(config, rounds=rounds, **how))
            rows.append({**row, "config": config.to_dict()})
        for name in names[1:] if pairs else ():
            click.echo(f"Comparing {name} with {names[0]} at {side} px ...", err=True)
            times = asdict(paired_step_time(configs[names[0]], configs[name], pairs, **how))
            pair = {"baseline": names[0], "model": name, "resolution": side, "times": times}
            compared.append(pair)
    click.echo(format_table(rows))
    if timed:
        click.echo(
            f"\nOn {rows[0]['device']}: batches of {rows[0]['batch_size']}, medians of "
            f"{rounds}; peaks of the memory while training and while sampling."
        )
    if compared:
        click.echo(f"\n{format_pairs(compared)}")
    if file is not None:
        values = {
            "format": "slae-lab-cost-1",
            "command": shlex.join(["slae", *sys.argv[1:]]),
            "hardware": hardware(pick_device(how["device"])),
            "versions": versions(),
            "models": rows,
            "pairs": compared,
        }
        write_json(file, values)
        click.echo(f"\n{file}")


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return a table of counts and, where they were measured, of times and peaks of memory.

    Args:
        rows: as ``slae cost --json`` writes them.
    """
    lines = [["model", "px", "G params", "D params", "MACs/image"]]
    if any("rounds" in row for row in rows):
        lines[0] += ["s/iteration", "s/image", "training", "sampling"]
    sizes = (("generator_parameters", 1e6, "M"), ("discriminator_parameters", 1e6, "M"))
    for row in rows:
        cells = [row["model"], str(row["resolution"])]
        cells += [f"{row[k] / one:.2f} {unit}" for k, one, unit in (*sizes, ("macs", 1e9, "G"))]
        if "rounds" in row:
            cells += [f"{row['iteration_seconds']:.3f}", f"{row['image_seconds']:.4f}"]
            cells += [_gibibytes(row["training_bytes"]), _gibibytes(row["sampling_bytes"])]
        lines.append(cells)
    return _aligned(lines)


def format_pairs(pairs: Sequence[dict[str, Any]]) -> str:
    """Return a table of comparisons: median and middle half of the ratios.

    Args:
        pairs: as ``slae cost --pairs --json`` writes them.
    """
    lines = [["iteration of", "px", "s", "against", "s", "ratio", "middle half"]]
    for pair in pairs:
        times, ratios = pair["times"], pair["times"]["ratios"]
        low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [*ratios] * 3
        theirs, ours, ratio = (f"{number:.3f}" for number in (*times["seconds"], times["ratio"]))
        cells = [pair["model"], str(pair["resolution"]), ours, pair["baseline"], theirs, ratio]
        lines.append([*cells, f"{low:.3f} to {high:.3f}"])
    return _aligned(lines)


def _aligned(lines: list[list[str]]) -> str:
    columns = itertools.zip_longest(*lines, fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=False))
        )
        for line in lines
    )


def _gibibytes(number: int | None) -> str:
    return "unknown" if number is None else f"{number / 2**30:.2f} GiB"
