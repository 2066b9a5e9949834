"""A finished run without what only training needs: small enough to be passed on."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from slae_lib.support.errors import LabError, UsageError, beside_the_weights
from slae_lib.support.files import atomic_write
from slae_lib.training.card import model_card
from slae_lib.training.checkpoint import generator_facts, load_generator, save_generator
from slae_lib.training.log import read_metrics
from slae_lib.training.run import RunInfo, check_folder, generator_file, locked

PASSED_ON = ("metrics.csv", "metadata.safetensors", "README.md")


def export_run(run: Path, out: Path, *, half: bool = True, grids: int = 5) -> list[Path]:
    """Copy a finished run into the folder ``out``, without its checkpoints, with a model card.

    What is left is still the folder of a run: it can be sampled from, measured and looked at. It
    cannot be trained on. A folder of pictures that it was trained on is named without its path.
    The card is ``README.md`` of the run, or made anew where neither folder has one.

    Args:
        run: folder of a finished run.
        out: a folder that is empty or holds an earlier export.
        half: store the generator in half precision.
        grids: sample grids to keep, evenly spread, the last among them.

    Returns:
        The files written.

    Raises:
        UsageError: if ``out`` is a file or holds something else.
        LabError: if ``run`` is not finished, its generator is older than its last iteration, or a
            file cannot be read or written.
    """
    info = RunInfo.load(run)
    file = generator_file(run)
    check_folder(out, overwrite=True)
    if (out / "checkpoints").exists() or out.resolve() == run.resolve():
        raise UsageError(f"{out} is a run that can be trained on; give --out another folder.")
    facts = generator_facts(file)
    made = int(facts.get("iteration", info.train.iterations))
    measured = [row["iteration"] for row in read_metrics(run / "metrics.csv")]
    last = max([info.train.iterations, *measured])
    if last > made:  # it is from before a continuation
        raise LabError(
            f"The generator of {run} is of iteration {made} and the run has gone on to {last}; "
            f"finish it with `slae train --resume {shlex.quote(str(run))}`, then export it."
        )
    kept = {name: value for name, value in facts.items() if name not in ("format", "config")}
    dtype = torch.float16 if half else torch.float32
    generator = load_generator(file)
    pictures = sorted((run / "samples").glob("*.png"))
    end, grids = len(pictures) - 1, min(grids, len(pictures))
    chosen = sorted({end - round(end * step / max(1, grids - 1)) for step in range(grids)})
    sources = [run / name for name in PASSED_ON] + [pictures[i] for i in chosen]
    with locked(out):
        # First what makes it a run: stopped half-way, this can be done again.
        replace(info, data=Path(info.data).name).save(out)
        save_generator(out / "generator.safetensors", generator, kept, dtype)
        written = [out / "generator.safetensors", out / "run.json"]
        shutil.rmtree(out / "samples", ignore_errors=True)
        for source in sources:
            if source.is_file():
                target = out / source.relative_to(run)
                with beside_the_weights(str(target)):
                    with atomic_write(target) as temporary:
                        shutil.copyfile(source, temporary)
                    written.append(target)
        card = out / "README.md"
        if not card.exists():
            with beside_the_weights(str(card)):
                with atomic_write(card) as temporary:
                    temporary.write_text(model_card(run), encoding="utf-8")
                written.append(card)
    return written
