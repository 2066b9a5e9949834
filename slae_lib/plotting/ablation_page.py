"""Table and plot of an ablation, beside its numbers."""

from pathlib import Path

from slae_lib.ablation.results import AblationResults, final_table
from slae_lib.plotting.ablation import ablation_figure
from slae_lib.support.files import atomic_write


def describe(results: AblationResults) -> str:
    """Return in one sentence how the numbers came about."""
    facts = results.facts
    return (
        f"{facts['data']}, {facts['real_images']} real images at {facts['resolution']} px; "
        f"{facts['generated_images']} generated images for each measurement; "
        f"{facts['hardware']}, torch {facts['versions']['torch']}."
    )


def markdown(results: AblationResults) -> str:
    """Return the table with the command that made it."""
    gathered = ", ".join(results.facts.get("gathered", ()))
    earlier = f"From earlier calls with the same settings: {gathered}.\n\n" if gathered else ""
    return (
        f"{final_table(results)}\n\n"
        "Mean ± deviation over the seeds. Last column: difference of FID seed by seed, its mean "
        "with Student's 95 % interval.\n\n"
        f"{describe(results)}\n\n{earlier}```bash\n{results.facts['command']}\n```\n"
    )


def write_page(results: AblationResults, file: Path) -> list[Path]:
    """Write a table (``.md``) and a plot (``.png``) beside the JSON ``file``; return their paths.

    Raises:
        LabError: if one cannot be written.
    """
    table, plot = file.with_suffix(".md"), file.with_suffix(".png")
    with atomic_write(table) as temporary:
        temporary.write_text(markdown(results), encoding="utf-8")
    figure = ablation_figure(
        results,
        title=f"Ablation on {results.facts['data']} at {results.facts['resolution']} px",
        caption="thick: mean over the seeds; thin: each seed",
    )
    with atomic_write(plot) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return [table, plot]
