"""The parts of slae_lib that are measured, wherever a revision keeps them.

Of every part the places are tried in order, today's first. A revision that moves one gets its place
put in front; a step that is made in another way gets its line in `Training`.
"""

import contextlib
import dataclasses
import importlib
import inspect
from typing import Any

import torch

PLACES = {
    "ModelConfig": ["slae_lib.config"],
    "TrainConfig": ["slae_lib.training.config", "slae_lib.config"],
    "PRESETS": ["slae_lib.training.presets", "slae_lib.presets"],
    "TrainingState": ["slae_lib.training.state"],
    "save_checkpoint": ["slae_lib.training.checkpoint", "slae_lib.checkpoint"],
    "load_checkpoint": ["slae_lib.training.checkpoint", "slae_lib.checkpoint"],
    "TrainingStep": ["slae_lib.training.step"],
    "family_of": ["slae_lib.training.families", "slae_lib.models"],
    "make_generator": ["slae_lib.training.families", "slae_lib.models"],
    "fold_spectral_norm": ["slae_lib.support.spectral_norm", "slae_lib.blocks"],
    "prepare_process": ["slae_lib.support.device"],
    "l1_distance": ["slae_lib.losses"],
    "untrained_lpips": ["slae_lib.evaluation.workload", "slae_lib.workload"],
    "MetadataBank": ["slae_lib.datasets.bank", "slae_lib.metadata"],
    "GeneratedImages": ["slae_lib.training.sampling", "slae_lib.sampling"],
    "InceptionFeatures": ["slae_lib.evaluation.fid"],
    "FID_INCEPTION": ["slae_lib.support.pretrained", "slae_lib.pretrained"],
    "load_images": ["slae_lib.datasets"],
    "image_batches": ["slae_lib.training.batches"],
}

MODELS = {"fastgan": ("sle", False), "slae": ("slae", True)}
"""Name to the kind of skip links, and whether the generator takes metadata."""


def part(name: str) -> Any:
    """Return a class, function or constant of slae_lib.

    Raises:
        ImportError: if this revision has it in none of the known places.
    """
    for place in PLACES[name]:
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as missing:
            if not str(missing.name).startswith("slae_lib"):
                raise
            continue
        if hasattr(module, name):
            return getattr(module, name)
    raise ImportError(f"this revision has {name} in none of {', '.join(PLACES[name])}")


def model_of(name: str, resolution: int) -> Any:
    """Return the configuration of FastGAN or SLAE: cpu-demo's narrow one at 64 px, else full."""
    skip, metadata = MODELS[name]
    if resolution == 64:
        demo = part("PRESETS")["cpu-demo"].model
        return dataclasses.replace(demo, skip=skip, metadata=metadata)
    return part("ModelConfig")(resolution=resolution, skip=skip, metadata=metadata)


def batch_of(resolution: int) -> int:
    """Return how many images an iteration has: as in the presets, and 2 where memory is short."""
    return 2 if resolution >= 512 else 8


def train_of(resolution: int, batch: int, reconstruction: str, precision: str) -> Any:
    """Return the configuration of a run: cpu-demo's at 64 px, else the paper's."""
    # LPIPS would ask for its weights; `Training` puts it in with random ones.
    known = "l1" if reconstruction == "lpips" else reconstruction
    config = part("PRESETS")["cpu-demo"].train if resolution == 64 else part("TrainConfig")()
    return dataclasses.replace(
        config, batch_size=batch, samples=2, reconstruction=known, precision=precision
    )


class Training:
    """Training iterations on random images: a state, its step, and one batch.

    Args:
        model: the configuration of the networks.
        config: the configuration of the run; its device and precision are used.
        reconstruction: "lpips" puts LPIPS with random weights in place of the run's distance.
    """

    def __init__(self, model: Any, config: Any, reconstruction: str = "") -> None:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        with contextlib.suppress(ImportError):  # older revisions train without it
            part("prepare_process")()
        AcceleratorState._reset_state(reset_partial_state=True)  # it would keep the first precision
        accelerator = Accelerator(cpu=config.device == "cpu", mixed_precision=config.precision)
        self.device = accelerator.device
        self.state = part("TrainingState")(model, config, None)
        getattr(self.state, "move_average", self.state.average.to)(self.device)
        self.state.scaler = accelerator.scaler
        family = part("family_of")(model)
        kind = family.load("step") if hasattr(family, "load") else part("TrainingStep")
        arguments = [self.state, config, accelerator]
        # In older revisions the loop made the distance and gave it to the step.
        own = "distance" not in inspect.signature(kind).parameters
        if not own:
            arguments.append(None if config.reconstruction == "none" else part("l1_distance"))
        self.step = kind(*arguments)
        if reconstruction == "lpips":
            self.step.distance = part("untrained_lpips")().to(self.device)
        side, batch = model.resolution, config.batch_size
        self.real = torch.rand(batch, 3, side, side, device=self.device) * 2 - 1
        self.metadata = None
        if getattr(model, "metadata", False):
            self.metadata = torch.randn(batch, model.metadata_dim, device=self.device)

    def iterate(self) -> Any:
        """Do one iteration and return its losses."""
        return self.step(self.real, self.metadata)


def made_bank(model: Any, count: int = 100) -> Any:
    """Return a bank of random metadata, or None for a model without metadata."""
    if not model.metadata:
        return None
    return part("MetadataBank")(
        values=torch.rand(count, model.metadata_dim),
        names=tuple(f"{index:06d}" for index in range(count)),
        layer="relu5_3",
        resolution=256,
        weights="",
        data_name="random numbers",
        data_fingerprint="",
    )
