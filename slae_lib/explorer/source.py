"""What an explorer looks into: the generators and the metadata of one run."""

from contextlib import AbstractContextManager
from pathlib import Path

from torch import Tensor

from slae_lib.datasets import DATA_SETS, ImageSet
from slae_lib.datasets.bank import MetadataBank, Scale
from slae_lib.datasets.store import cached_file
from slae_lib.generator import Generator
from slae_lib.metadata import RESOLUTION
from slae_lib.support.errors import LabError, in_words
from slae_lib.support.files import stored_file
from slae_lib.training.checkpoint import (
    list_checkpoints,
    load_averaged_generator,
    load_generator,
    trained_scale,
)
from slae_lib.training.run import RunInfo

FINISHED = "generator.safetensors"
BANK = "metadata.safetensors"
STORED = "fluent_faces_metadata.safetensors"
_KEPT = 4  # generators in memory, so that going back and forth between checkpoints is quick


class Source:
    """A run's folder, a generator.safetensors or a checkpoint, opened for looking.

    Args:
        path: of the folder or the file.

    Attributes:
        files: label such as ``"finished"`` or ``"iteration 60"`` to a file with a generator, the
            one to begin with first.
        info: what ``run.json`` holds; None if there is none.
        bank: metadata of the training pictures; None where it is not wanted or not there.
        trouble: one sentence that says why the metadata cannot be used, or nothing.
        last: what was computed last without any change: the view, its generator, what came out.

    Raises:
        LabError: if there is no generator of SLAE or FastGAN.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing(path)
        self.folder = _folder_of(self.path)
        self.info = RunInfo.load(self.folder) if (self.folder / "run.json").is_file() else None
        self.files = _files(self.path, self.folder)
        self.trouble = ""
        self.last: tuple[object, Generator, dict[str, Tensor]] | None = None
        self._loaded: dict[tuple[Path, int], Generator] = {}
        self.bank: MetadataBank | None = None
        first = next(iter(self.files))
        config = self.generator(first).config
        self.scale: Scale = self._scale()
        if config.metadata:
            try:
                self.bank = self._find_bank(config.metadata_dim)
            except LabError as problem:
                self.trouble = str(problem)

    @property
    def data(self) -> str | None:
        """Where the training pictures come from, as for `slae_lib.datasets.load_images`."""
        if self.info is not None:
            return self.info.data
        return None if self.bank is None else data_of(self.bank)

    def generator(self, label: str) -> Generator:
        """Return the generator of the file that ``label`` stands for; the last few are kept.

        Raises:
            LabError: if the file is gone, damaged, or holds a generator without skip links.
        """
        file = self.files[label]
        try:
            key = file, file.stat().st_mtime_ns
        except OSError:
            raise LabError(f"{file} is gone; choose another checkpoint.") from None
        if key not in self._loaded:
            with memory_in_words("this generator"):
                load = load_averaged_generator if file.suffix == ".pt" else load_generator
                loaded = load(file)
            if not hasattr(loaded, "links"):
                raise LabError(
                    f"{file} holds {loaded.config.title}, which has no skip links; open a run of "
                    "SLAE or FastGAN."
                )
            self._loaded[key] = loaded
            while len(self._loaded) > _KEPT:
                del self._loaded[next(iter(self._loaded))]
        return self._loaded[key]

    def _scale(self) -> Scale:
        finished = [file for file in self.files.values() if file.suffix != ".pt"]
        if self.info is not None:
            scale = self.info.train.metadata_scale
        else:
            scale = trained_scale(finished[0]) if finished else "standardised"
        return scale

    def _find_bank(self, channels: int) -> MetadataBank:
        file = self.folder / BANK
        if not file.exists():
            file = self._bank_of_unfinished(file)
        bank = MetadataBank.load(file)
        if self.info is not None and bank.data_fingerprint != self.info.data_fingerprint:
            raise LabError(
                f"{file} holds the metadata of {bank.data_name!r} and not of the pictures that "
                "this run learned from; bring its own file back. Until then the metadata is zero."
            )
        if bank.values.shape[1] != channels:
            raise LabError(
                f"{file} has {bank.values.shape[1]} numbers for each picture and this generator "
                f"takes {channels}; bring its own file back. Until then the metadata is zero."
            )
        return bank

    def _bank_of_unfinished(self, missing: Path) -> Path:
        """Return the metadata file of a run that is not finished, if it was extracted before."""
        if self.info is not None:
            images = ImageSet(self.info.data, RESOLUTION, (), self.info.data_fingerprint)
            layer = self.info.train.metadata_layer
            for file in (stored_file(STORED), cached_file(images, layer)):
                if file is not None and file.exists():
                    bank = MetadataBank.load(file)
                    if (bank.data_fingerprint, bank.layer) == (images.fingerprint, layer):
                        return file
        raise LabError(
            f"{missing} is missing; copy it from the run's folder. Until then the metadata is zero."
        )


def existing(path: str | Path) -> Path:
    """Return a path that somebody has typed.

    Raises:
        LabError: if it leads nowhere.
    """
    try:
        found = Path(path).expanduser()
        if found.exists():
            return found
    except (OSError, RuntimeError):
        pass  # too long for a path, a folder that may not be entered, an unknown user after "~"
    raise LabError(f"{path} does not exist; name the folder of a run, or its {FINISHED}.")


def data_of(bank: MetadataBank) -> str | None:
    """Return the data set that a bank was made from, if it is known by a name."""
    return bank.data_name if bank.data_name in DATA_SETS else None


def memory_in_words(what: str) -> AbstractContextManager[None]:
    """Turn a failed allocation into a sentence."""
    return in_words(what, lambda: "close other notebooks, or open a run of a lower resolution")


def _folder_of(path: Path) -> Path:
    if path.is_dir():
        return path
    inside = path.parent.name in ("checkpoints", "generators")
    return path.parent.parent if inside else path.parent


def _files(path: Path, folder: Path) -> dict[str, Path]:
    files = {}
    finished = folder / FINISHED
    if finished.is_file():
        files["finished"] = finished
    kept = {file.stem: file for file in (folder / "generators").glob("*.safetensors")}
    for checkpoint in list_checkpoints(folder / "checkpoints"):
        kept[checkpoint.stem.removeprefix("step-")] = checkpoint
    for number, file in sorted(kept.items(), reverse=True):
        files[f"iteration {int(number) if number.isdigit() else number}"] = file
    if path.is_dir():
        if not files:
            raise LabError(
                f"{path} holds neither a {FINISHED} nor a checkpoint; name the folder of a run "
                "that has got so far."
            )
        return files
    chosen = next((label for label, file in files.items() if file.samefile(path)), path.name)
    return {chosen: path, **files}
