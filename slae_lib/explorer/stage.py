"""The stage in a notebook: its front end is `stage.js`, and the kernel computes with PyTorch."""

import dataclasses
from pathlib import Path
from typing import Any

import anywidget
import torch.nn.functional as F
import traitlets
from PIL import Image
from torch import Tensor

from slae_lib.explorer.faces import Faces, webp
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.scene import View, compute, make_scene, view_of
from slae_lib.explorer.source import Source
from slae_lib.explorer.still import still
from slae_lib.explorer.words import link_label
from slae_lib.plotting.base import to_pixels
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_uint8
from slae_lib.support.language import language, phrases, said

FORMAT = "slae-lab-stage-1"
_HERE = Path(__file__).parent
_SEEN_SIDE = 32  # px of a feature map on the stage at most


class Stage(anywidget.AnyWidget):
    """Paint where a trained generator looks, on its picture, and see what that changes.

    Show it as the last line of a cell. What cannot be had is one sentence on the stage.

    Args:
        run: the folder of a run, a generator.safetensors or a checkpoint.
        settings: of the `View` to begin with, such as ``seed=3, link="4->16"``.

    Attributes:
        view: what is shown now, as settings of a `View`; set it to show something else.
        message: one sentence about what is wrong, or nothing.
    """

    _esm = _HERE / "stage.js"
    _css = _HERE / "stage.css"
    about = traitlets.Dict().tag(sync=True)
    sheet = traitlets.Bytes().tag(sync=True)
    first = traitlets.Bytes().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, run: str | Path, **settings: Any) -> None:
        super().__init__()
        self.source: Source | None = None
        self.on_msg(self._asked)
        try:
            source = Source(run)
            view = with_painting(view_of(source, **settings), source)
            about = describe(source) | spoken()
            if source.bank is not None:
                faces = Faces(source.bank, TrainingPictures(source.bank, source.data))
                about |= faces.described()
                self.sheet = faces.sheet()
            self.about = about
            image = make_scene(dataclasses.replace(view, painted={}, gates={}), source).image
            self.first = webp(Image.fromarray(to_pixels(image)))
            self.view, self.message = as_dict(view), source.trouble
            self.source = source
        except LabError as problem:
            self.message = str(problem)

    def still(self, **changes: Any) -> Any:
        """Return what is shown now, or what differs from it in ``changes``, as a picture.

        Raises:
            LabError: if there is nothing to show, or a change cannot be had.
        """
        if self.source is None:
            raise LabError(self.message)
        return still(self.source, View(**self.view), **changes)

    def _asked(self, _: Any, wanted: dict[str, Any], __: Any) -> None:
        """Answer the front end, which asks for one view at a time."""
        answer: dict[str, Any] = {"id": wanted.get("id")}
        try:
            if self.source is None:
                raise LabError(self.message)
            arrays = seen(view_of(self.source, **wanted["view"]), self.source)
            answer["arrays"] = [[name, list(array.shape)] for name, array in arrays.items()]
            self.send(answer, [array.numpy().tobytes() for array in arrays.values()])
        except LabError as problem:
            self.send({**answer, "error": str(problem)})
        except Exception as fault:
            sentence = "This is a fault in the stage and not yours; please report it"
            self.send({**answer, "error": f"{sentence} ({type(fault).__name__}: {fault})."})
            raise

    def _repr_mimebundle_(self, **options: Any) -> Any:
        # The stored picture is for viewers without a kernel, such as GitHub. The words are always
        # the same, so that a notebook that is run again on another computer stays the same.
        text = said("Stage: it can be painted on where a kernel runs.")
        made: Any = super()._repr_mimebundle_(**options) or {}
        data, facts = made if isinstance(made, tuple) else (made, {})
        picture: dict[str, Any] = {"text/plain": text if self.source else self.message}
        told: dict[str, Any] = {}
        if self.source is not None and "image/png" not in (options.get("exclude") or ()):
            picture, told = self.still().bundle(text)
        return {**data, **picture}, {**facts, **told}


def describe(source: Source) -> dict[str, Any]:
    """Return what the stage is told about a run before it computes anything."""
    config = source.generator(next(iter(source.files))).config
    generator = source.generator(next(iter(source.files)))
    links = [
        {
            "name": name,
            "label": link_label(name),
            "low": low,
            "high": high,
            "channels": generator.channels(high),
        }
        for name, (low, high) in zip(generator.links, config.generator_links, strict=True)
    ]
    return {
        "format": FORMAT,
        "title": f"{config.title}, {config.resolution} px",
        "resolution": config.resolution,
        "noise_dim": config.noise_dim,
        "sizes": [4, *map(int, generator.blocks)],
        "links": links,
        "attention": config.has_attention,
        "metadata": config.metadata,
        "generators": list(source.files),
        "attribution": TrainingPictures(source.bank, source.data).attribution or "",
        "pictures": [],
    }


def spoken(into: str | None = None) -> dict[str, Any]:
    """Return the language that the stage speaks, and its phrases, if it is not English."""
    into = into or language()
    return {} if into == "en" else {"language": into, "phrases": phrases(into, "stage")}


def with_painting(view: View, source: Source) -> View:
    """Return a view whose ``attention`` is painted, as the stage shows it."""
    if view.attention == "own":
        return view
    attention = make_scene(view, source).attention
    assert attention is not None  # `fitting` has seen to it
    places = [round(value, 2) for value in attention.clamp(0, 1).flatten().tolist()]
    return dataclasses.replace(view, attention="own", painted={**view.painted, view.link: places})


def as_dict(view: View) -> dict[str, Any]:
    """Return a view as the front end keeps it."""
    settings = dataclasses.asdict(view)
    del settings["attention"]  # it is painted
    return settings


def seen(view: View, source: Source) -> dict[str, Tensor]:
    """Return what the front end draws of a view, named as by `Steered`, before and after.

    Images are uint8 (R, R, 3); feature maps are float32 and no larger than 32 px; of the maps
    that gates multiply, only those of the view's link are there.
    """
    looked_at = f"before_{view.link.replace('->', '_')}"
    arrays = {}
    for when, tensors in zip(("before", "after"), compute(view, source), strict=True):
        for name, tensor in tensors.items():
            if name == "image":
                arrays[f"{when}/image"] = to_uint8(tensor)[0].permute(1, 2, 0).contiguous()
            elif not name.startswith("before_") or name == looked_at:
                if tensor.shape[-1] > _SEEN_SIDE:
                    tensor = F.adaptive_avg_pool2d(tensor, _SEEN_SIDE)
                arrays[f"{when}/{name}"] = tensor[0].contiguous()
    return arrays
