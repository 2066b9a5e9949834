"""The data sets that the lab knows by name: the built-in one and the paper's.

They stand in ``registry.toml`` beside this file.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slae_lib.support.files import cache_folder, stored_file


@dataclass(frozen=True)
class DataSetInfo:
    """What is known about a registered data set; None stands for what is not.

    Args:
        images: how many pictures it has.
        resolution: side length of its files.
        sha256: of the file at ``url``.
        attribution: the line to show wherever the pictures, or what is made from them, are.
        origin: where it comes from: this package itself, an archive at ``url``, torchvision, or a
            download by hand as ``source`` describes it.
    """

    name: str
    title: str
    source: str
    origin: Literal["built-in", "archive", "torchvision", "by hand"]
    licence: str = "unstated by the publisher; use it for research and do not pass the pictures on"
    attribution: str | None = None
    images: int | None = None
    resolution: int | None = None
    url: str | None = None
    sha256: str | None = None

    @property
    def builtin(self) -> bool:
        """Whether the set is there without a download."""
        return self.origin == "built-in"

    @property
    def folder(self) -> Path:
        """Where the set's pictures are, once fetched."""
        stored = stored_file(self.name.replace("-", "_")) if self.builtin else None
        return stored or cache_folder() / "datasets" / self.name


def _read() -> tuple[dict[str, DataSetInfo], dict[str, str]]:
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    found = {}
    for group in content["group"]:
        for one in group.pop("sets"):
            facts = {**group, **one}
            if "url" in facts:
                facts["url"] = facts["url"].format(name=one["name"])
            found[one["name"]] = DataSetInfo(**facts)
    return found, content["retired"]


DATA_SETS, RETIRED = _read()
"""Name to what is known, in the order of the file; and former names with what to say of them."""
