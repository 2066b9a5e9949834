"""A picture without controls, and the same in words."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from slae_lib.plotting.base import compact_png


@dataclass(frozen=True, eq=False)
class Still:
    """A picture without controls, and what it shows.

    Attributes:
        figure: the picture.
        facts: the same in sentences.
        alt: alternative text of the picture.
        attribution: who made the training pictures.
    """

    figure: Figure
    facts: list[str]
    alt: str
    attribution: str | None = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        lines = [*self.facts, self.attribution]
        return self.bundle("\n".join(line for line in lines if line))

    def bundle(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the picture and ``text`` in the forms that notebooks show and store."""
        png, width = compact_png(self.figure)
        data = {"image/png": b64encode(png).decode("ascii"), "text/plain": text}
        return data, {"image/png": {"alt": self.alt, "width": width}}
