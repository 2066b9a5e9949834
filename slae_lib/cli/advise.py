"""``slae advise``."""

import shlex
import statistics
import sys
from pathlib import Path

import click

from slae_lib.cli.evaluate_options import DATA, DEVICE, PATH, SEED, number, together

MOST = 12  # generators that are measured; of more, evenly spread ones


@click.command()
@click.argument("run", type=PATH)
@together(DATA, number("--samples", 100, "Images of each generator.", least=8), SEED, DEVICE)
@click.option("--out", type=PATH, help="Folder for advice.json and advice.png  [default: RUN]")
def advise(
    run: Path, data: str | None, samples: int, seed: int, device: str, out: Path | None
) -> None:
    """Which kept generator of RUN to use, does it copy, does longer help, what to change.

    RUN need not be finished. On a CPU this takes minutes, most of them for KID.
    """
    from slae_lib.cli.report import Report
    from slae_lib.cli.subjects import Subject
    from slae_lib.evaluation.advice import ADVICE, judge, measure
    from slae_lib.plotting.evaluation import advice_figure
    from slae_lib.support.errors import LabError
    from slae_lib.support.files import check_writable
    from slae_lib.training.checkpoint import generator_facts, list_checkpoints
    from slae_lib.training.families import family_of
    from slae_lib.training.log import read_metrics
    from slae_lib.training.run import RunInfo
    from slae_lib.training.start import further

    info, file = RunInfo.load(run), (out or run) / "advice.json"
    check_writable(file)
    paths = sorted((run / "generators").glob("*.safetensors"))
    kept = {int(path.stem): path for path in paths if path.stem.isdecimal()}
    final = run / "generator.safetensors"
    if not kept and final.is_file():  # an export, or from before generators were kept
        kept[int(generator_facts(final).get("iteration", info.train.iterations))] = final
    if not kept:
        raise LabError(f"{run} has kept no generator yet; train on to its first sample grid.")
    at, count = list(kept), min(MOST, len(kept))
    at = [at[-1 - round(i * (len(at) - 1) / max(1, count - 1))] for i in range(count)][::-1]
    subjects = {i: Subject(kept[i], data, seed, device=device) for i in at}
    subject = subjects[at[-1]]
    training = subject.training
    drawn = {i: one.samples.first(samples) for i, one in subjects.items()}
    found = measure(drawn, training, subject.samples.device)

    rows = [row for row in read_metrics(run / "metrics.csv") if row["iteration"] <= at[-1]]
    seen = rows[-1]["images"] if rows else at[-1] * info.train.batch_size
    losses = [row["discriminator"] for row in rows[-(len(rows) // 3) :] if row["discriminator"]]
    blind = family_of(info.model).blind_loss
    loss = statistics.fmean(losses) / blind if losses else 1.0
    longer = further(at[-1], max(1, seen // at[-1]))
    command = f"slae train --resume {shlex.quote(str(run))} --iterations {longer}"
    there = list_checkpoints(run / "checkpoints")
    numbers = judge(found, seen, info.train.augment, loss)
    numbers["resume"] = f"`{command}`" if there else f"its checkpoints are not here; to {longer:,}"
    for row in numbers["generators"]:
        row["file"] = str(kept[row["iteration"]])
    report = Report(shlex.join(["slae", *sys.argv[1:]]), subject.facts())
    report.add("advice", numbers, [])
    said = [(group, text.format(**numbers)) for group, holds, text in ADVICE if numbers.get(holds)]
    report.rows = [*said, *(("Without", text) for text in found.missing)]
    click.echo(report.table())
    report.notes = [f"{group}: {text}" for group, text in report.rows]
    report.save(file)
    place = at.index(numbers["shown"]["iteration"])
    nearest = found.ratios[place].argsort()[:12]
    report.drawings[""] = lambda: advice_figure(
        numbers,
        drawn[at[place]].batch(nearest),
        training.batch(found.nearest[place, nearest]),
        found.ratios[place, nearest].tolist(),
        attribution=training.attribution,
    )
    report.draw(file)
    click.echo(f"\nMade:\n  {file}\n  {report.pictures[0]}")
