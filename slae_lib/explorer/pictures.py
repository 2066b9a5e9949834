"""Pictures as HTML: a figure or a thumbnail as an ``<img>`` that has an alternative text."""

import html
import io
from base64 import b64encode
from functools import cached_property
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from slae_lib.datasets import DATA_SETS
from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.depth import BadPicture
from slae_lib.datasets.pictures import in_threads, read_picture
from slae_lib.plotting.style import save_figure
from slae_lib.support.language import lang_attribute

THUMBNAIL = 64  # px
SHOWN_DPI = 96  # of the browser
FILE_DPI = 120  # more than is shown, so that a figure stays sharp on fine screens


def image_html(png: bytes, alt: str, width: int) -> str:
    """Return an ``<img>`` with the picture inside.

    Args:
        png: the picture.
        alt: what it shows, for those who do not see it.
        width: in px of the page.
    """
    return (
        f'<img src="data:image/png;base64,{b64encode(png).decode("ascii")}" '
        f'width="{width}" alt="{html.escape(alt, quote=True)}" '
        'style="max-width: 100%; height: auto; margin: 0;">'
    )


def figure_html(figure: Figure, alt: str) -> str:
    """Return a figure as an ``<img>`` of the figure's size, written quickly rather than small."""
    png = io.BytesIO()
    save_figure(figure, png, dpi=FILE_DPI, pil_kwargs={"compress_level": 1})
    return image_html(png.getvalue(), alt, round(figure.get_figwidth() * SHOWN_DPI))


def facts_html(facts: list[str]) -> str:
    """Return sentences as a list."""
    items = "".join(f"<li>{html.escape(fact)}</li>" for fact in facts)
    style = "margin: 0; padding-left: 1.2em; line-height: 1.4;"
    return f'<ul{lang_attribute()} role="status" style="{style}">{items}</ul>'


class TrainingPictures:
    """Thumbnails of the training pictures by name, as far as the pictures can be had.

    Args:
        bank: whose pictures they are.
        data: a data set's name or a folder, as for `slae_lib.datasets.load_images`; None if it is
            not known.
    """

    def __init__(self, bank: MetadataBank | None, data: str | None) -> None:
        self.bank = bank
        self.data = data
        self._read: dict[str, Tensor | None] = {}

    def get(self, name: str | None) -> Tensor | None:
        """Return a thumbnail, uint8 (3, 64, 64), or None if the picture is not there."""
        if name is None:
            return None
        if name not in self._read:
            self._read[name] = self._from_folder(name)
        return self._read[name]

    def many(self, names: list[str]) -> list[Tensor | None]:
        """Return the thumbnails of several pictures, read at the same time."""
        return in_threads(self.get, names)

    @property
    def attribution(self) -> str | None:
        """The line to show wherever the pictures are."""
        known = DATA_SETS.get(self.data or "")
        return None if known is None else known.attribution

    @cached_property
    def _folder(self) -> Path | None:
        if self.data is None:
            return None
        known = DATA_SETS.get(self.data)
        folder = Path(self.data) if known is None else known.folder
        return folder if folder.is_dir() else None

    def _from_folder(self, name: str) -> Tensor | None:
        # Only the pictures that are shown are read, since a folder may hold thousands.
        if self._folder is None:
            return None
        try:
            return read_picture(self._folder / name, THUMBNAIL)[0]
        except BadPicture:
            return None
