"""The four pictures of a finished run."""

from pathlib import Path

import torch
from matplotlib.figure import Figure

from slae_lib.datasets import ImageSet
from slae_lib.datasets.bank import MetadataBank
from slae_lib.plotting import attention_figure, history_figure, progress_figure, samples_figure
from slae_lib.plotting.style import save_figure
from slae_lib.support.errors import beside_the_weights
from slae_lib.support.files import atomic_write, check_still_there
from slae_lib.support.images import to_uint8
from slae_lib.training.checkpoint import load_generator
from slae_lib.training.families import family_of
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.run import RunInfo

SHOWN_WITH_ATTENTION = 8
PICTURES = ("samples.png", "history.png", "progress.png")  # of every run


def write_gallery(run: Path, images: ImageSet) -> list[tuple[Path, str]]:
    """Draw ``samples.png``, ``attention.png``, ``history.png`` and ``progress.png`` into ``run``.

    The attention is drawn for models that have it.

    One that cannot be drawn is left out with a warning: the weights are there.

    Args:
        run: folder of a finished run.
        images: its training images.

    Returns:
        Path and a description of each picture that was drawn.
    """
    info = RunInfo.load(run)
    name = f"{images.name} at {info.model.resolution} px"

    def samples() -> Figure:
        grids = load_samples(run, info.train.samples)
        iteration = max(grids)
        real = _spread(images, info.train.samples)
        return samples_figure(
            grids[iteration],
            real,
            title=f"Generated after {iteration:,} iterations (moving average)",
            real_title=f"{len(real)} of the {len(images)} real images",
            caption=f"{name}{_worth(run)}",
            attribution=images.attribution,
        )

    def attention() -> Figure:
        return attention_figure(
            *_attention(run, info),
            title="Where each skip link looks: its attention map over the image it gates",
            attribution=images.attribution,
        )

    def history() -> Figure:
        blind = family_of(info.model).blind_loss
        rows = read_metrics(run / "metrics.csv")
        return history_figure(rows, title=f"Training on {name}", blind=blind)

    def progress() -> Figure:
        grids = load_samples(run, info.train.samples)
        return progress_figure(grids, title="The same noise while the generator learns")

    pictures = [("samples.png", samples, "generated images beside real ones")]
    if info.model.has_attention:
        pictures.append(("attention.png", attention, "the attention map of each skip link"))
    pictures += [
        ("history.png", history, "losses over time"),
        ("progress.png", progress, "the same noise over time"),
    ]
    written = []
    for file_name, draw, text in pictures:
        with beside_the_weights(str(run / file_name)):
            figure = draw()
            check_still_there(run)
            with atomic_write(run / file_name) as temporary:
                save_figure(figure, temporary, dpi=110)
            written.append((run / file_name, text))
    return written


def _worth(run: Path) -> str:
    """Say what the newest samples that were measured are worth."""
    measured = [row for row in read_metrics(run / "metrics.csv") if row["diversity"] is not None]
    if not measured:
        return ""
    worth = f"; diversity {measured[-1]['diversity']:.2f} of the real images' own"
    if measured[-1]["broken"] is not None:
        worth += f", {measured[-1]['broken']:.0%} broken"
    return worth


def is_drawn(run: Path, since: float) -> bool:
    """Return whether all pictures of a run are there, drawn at the time ``since`` or later."""
    paths = [run / name for name in PICTURES]
    return all(path.is_file() and path.stat().st_mtime >= since for path in paths)


@torch.no_grad()
def _attention(run: Path, info: RunInfo) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    generator = load_generator(run / "generator.safetensors")
    source = torch.Generator().manual_seed(info.train.seed)
    noise = torch.randn(SHOWN_WITH_ATTENTION, info.model.noise_dim, generator=source)
    metadata = None
    if info.model.metadata:
        bank = MetadataBank.load(run / "metadata.safetensors")
        metadata = bank.sample(
            SHOWN_WITH_ATTENTION, generator=source, scale=info.train.metadata_scale
        )
    output = generator(noise, metadata, return_attention=True)
    return to_uint8(output.image), output.attention


def _spread(images: ImageSet, count: int) -> torch.Tensor:
    """Return up to ``count`` images, evenly spread over the set."""
    count = min(count, len(images))
    return images.batch([index * len(images) // count for index in range(count)]).cpu()
