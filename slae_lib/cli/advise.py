"""``slae advise``."""

import shlex
import statistics
import sys
from pathlib import Path

import click

from slae_lib.cli.evaluate import DATA, DEVICE, SEED
from slae_lib.cli.options import PATH, number, path, together

MOST = 12  # generators that are measured; of more, evenly spread ones


@click.command()
@click.argument("run", type=PATH)
@together(DATA, number("--samples", 100, "Images of each generator.", least=8), SEED, DEVICE)
@path("--out", "Folder for advice.json and advice.png  [default: RUN]")
def advise(
    run: Path, data: str | None, samples: int, seed: int, device: str, out: Path | None
) -> None:
    """Which kept generator of RUN to use, does it copy, does longer help, what to change.

    RUN need not be finished. On a CPU this takes minutes, most of them for KID.
    """
    from slae_lib.cli.report import Report
    from slae_lib.cli.subjects import Subject
    from slae_lib.evaluation.advice import advise as advise_of
    from slae_lib.evaluation.advice import judge, measure
    from slae_lib.plotting.evaluation import advice_figure
    from slae_lib.support.errors import LabError
    from slae_lib.support.files import check_writable
    from slae_lib.training.families import family_of
    from slae_lib.training.log import read_metrics
    from slae_lib.training.run import RunInfo
    from slae_lib.training.sampling import kept_generators
    from slae_lib.training.start import further

    info, file = RunInfo.load(run), (out or run) / "advice.json"
    check_writable(file)
    kept = kept_generators(run)
    if not kept:
        raise LabError(f"{run} has kept no generator yet; train on to its first sample grid.")
    places = {round(i * (len(kept) - 1) / (MOST - 1)) for i in range(MOST)}
    at = [list(kept)[-1 - place] for place in sorted(places, reverse=True)]
    subjects = {i: Subject(kept[i], data, seed, device=device) for i in at}
    last = subjects[at[-1]]
    drawn = {i: subject.samples.first(samples) for i, subject in subjects.items()}
    found = measure(drawn, last.training, last.samples.device)

    rows = [row for row in read_metrics(run / "metrics.csv") if row["iteration"] <= at[-1]]
    seen = rows[-1]["images"] if rows else at[-1] * info.train.batch_size
    losses = [row["discriminator"] for row in rows[-(len(rows) // 3) :] if row["discriminator"]]
    loss = statistics.fmean(losses or [1.0]) / (family_of(info.model).blind_loss if losses else 1)
    numbers = judge(found, seen, info.train.augment, loss)
    more = further(at[-1], max(1, seen // max(1, at[-1])))
    numbers["resume"] = f"`slae train --resume {shlex.quote(str(run))} --iterations {more}`"
    for row in numbers["generators"]:
        row["file"] = str(kept[row["iteration"]])
    report = Report(shlex.join(["slae", *sys.argv[1:]]), last.facts())
    report.add("advice", numbers, advise_of(numbers))
    report.rows += [("Without", sentence) for sentence in found.missing]
    click.echo(report.table())
    report.notes = [f"{about}: {sentence}" for about, sentence in report.rows]
    report.save(file)
    place = at.index(numbers["shown"]["iteration"])
    nearest = found.ratios[place].argsort()[:12]
    report.drawings[""] = lambda: advice_figure(
        numbers,
        drawn[at[place]].batch(nearest),
        last.training.batch(found.nearest[place, nearest]),
        found.ratios[place, nearest].tolist(),
        attribution=last.training.attribution,
    )
    report.draw(file)
    click.echo(f"\nMade:\n  {file}\n  {report.pictures[0]}")
