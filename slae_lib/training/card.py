"""The model card of a finished run: what run.json and `slae evaluate` know, for whoever gets it."""

import hashlib
from pathlib import Path
from typing import Any

from slae_lib.datasets.registry import DATA_SETS
from slae_lib.support.sealed import read_json, reading, understanding
from slae_lib.training.run import RunInfo, generator_file


def model_card(run: Path) -> str:
    """Return the card of a finished run as the Hugging Face Hub reads it: YAML, then Markdown.

    What was measured of another generator, such as that of before a continuation, is left out.

    Raises:
        LabError: if ``run`` is not the folder of a finished run, or something in it is damaged.
    """
    import jinja2

    info = RunInfo.load(run)
    sha256 = hashlib.sha256(generator_file(run).read_bytes()).hexdigest()
    found: dict[str, Any] = {}
    for path in sorted(run.glob("evaluation-*.json"), key=lambda path: path.stat().st_mtime):
        with reading(path, "delete it, and measure again"):
            if (values := read_json(path)).get("generator_sha256") == sha256:
                done = {k: v for k, v in values.items() if isinstance(v, dict)}
                found |= {k: v for k, v in done.items() if "not_measured" not in v}
    names = {"name": run.resolve().name, "data": Path(info.data).name}
    template = Path(__file__).with_suffix(".md").read_text("utf-8")
    with understanding(run, "delete its files evaluation-*.json, and measure again"):
        card = jinja2.Template(template, undefined=jinja2.StrictUndefined, trim_blocks=True)
        return card.render(info=info, known=DATA_SETS.get(info.data), **found, **names)
