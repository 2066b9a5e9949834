"""A generator as ONNX: every link's attention and gates can be given, and all of it is seen.

`Steered` is what is exported; the stage computes with the same module in the kernel, so that a
notebook and a page without Python show the same.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write

FORMAT = "slae-lab-onnx-1"
NEEDED = (2, 10)
"""Before this version of PyTorch its exporter does not understand the blocks or a batch of 1."""
_HALVED = 256  # numbers of a weight that is worth storing in half precision


class Steered(nn.Module):
    """A generator whose links can be told what to use, and that tells what it has used.

    Link ``"8->32"`` is called ``8_32`` here. Inputs, in the order of `inputs`: ``noise``
    (B, noise_dim), ``metadata`` (B, metadata_dim) where it is taken, for each link
    ``given_attention_8_32`` (B, 1, h, w) where it has attention, and ``given_gates_8_32``
    (B, C, 1, 1). A number of these two that is NaN is not given: the link's own stays.

    Outputs, in the order of `outputs`: ``image`` (B, 3, R, R) in [-1, 1]; ``features_4``
    (B, 1, 4, 4) and so on, the mean of each feature map over its channels; and for each link
    ``gates_8_32`` as used, ``before_8_32`` (B, C, H, W), the map that the gates multiply,
    ``pooled_8_32`` (B, 1, 4, 4), the mean over the channels of what its excitation begins with,
    and with attention ``attention_8_32`` as used and ``own_attention_8_32``, both (B, 1, h, w).
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        config = generator.config
        names = {link: link.replace("->", "_") for link in generator.links}
        self.names = names
        self.shapes: dict[str, tuple[int, ...]] = {"noise": (1, config.noise_dim)}
        if config.metadata:
            self.shapes["metadata"] = (1, config.metadata_dim)
        for (low, high), name in zip(config.generator_links, names.values(), strict=True):
            if config.has_attention:
                self.shapes[f"given_attention_{name}"] = (1, 1, low, low)
            self.shapes[f"given_gates_{name}"] = (1, generator.channels(high), 1, 1)
        self.inputs = list(self.shapes)
        kinds = ["gates", "before", "pooled"]
        kinds += ["attention", "own_attention"] if config.has_attention else []
        sizes = [4, *map(int, generator.blocks)]
        self.outputs = ["image", *(f"features_{size}" for size in sizes)]
        self.outputs += [f"{kind}_{name}" for name in names.values() for kind in kinds]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors of `outputs` for those of `inputs`."""
        told = dict(zip(self.inputs, inputs, strict=True))
        given = {
            kind: {
                link: told[f"given_{kind}_{name}"]
                for link, name in self.names.items()
                if f"given_{kind}_{name}" in told
            }
            for kind in ("attention", "gates")
        }
        features, before = {}, {}
        blocks = self.generator.blocks

        def see(size: int) -> Any:
            def hook(_module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
                features[size // 2], before[size] = args[0], output

            return hook

        hooks = [blocks[size].register_forward_hook(see(int(size))) for size in blocks]
        try:
            made = self.generator(
                told["noise"], told.get("metadata"), return_attention=True, **given
            )
        finally:
            for hook in hooks:
                hook.remove()
        last = self.generator.config.resolution
        features[last] = before[last]
        seen = {"image": made.image}
        for link, name in self.names.items():
            low, high = (int(size) for size in link.split("->"))
            used = made.attention.get(link)
            seen[f"gates_{name}"], seen[f"before_{name}"] = made.gates[link], before[high]
            if high == last:
                features[last] = before[last] * made.gates[link]
            weighed = features[low] if used is None else used * features[low]
            seen[f"pooled_{name}"] = F.adaptive_avg_pool2d(weighed, 4).mean(1, keepdim=True)
            if used is not None:
                own = self.generator.links[link].attend(features[low])  # type: ignore[operator]
                seen[f"attention_{name}"], seen[f"own_attention_{name}"] = used, own
        for size, maps in features.items():
            seen[f"features_{size}"] = maps.mean(1, keepdim=True)
        return tuple(seen[name] for name in self.outputs)

    def unsteered(self) -> dict[str, Tensor]:
        """Return inputs that leave everything to the generator: noise and metadata of zeros."""
        wanted = {name: (0.0 if "given" not in name else torch.nan) for name in self.inputs}
        return {name: torch.full(self.shapes[name], value) for name, value in wanted.items()}


def export_onnx(generator: Generator, path: Path, *, half: bool = True) -> Path:
    """Write a generator as ONNX, with the inputs and outputs of `Steered`; a batch of any size.

    Args:
        generator: on the CPU, ready to sample from.
        path: file to write, ``*.onnx``.
        half: store the weights in half precision; they are computed with in single precision.

    Raises:
        LabError: if the packages of the extra ``onnx`` are missing, PyTorch is older than
            `NEEDED`, or the file cannot be written.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 (what torch exports with)
    except ImportError as missing:
        raise LabError(
            f'ONNX needs the package {missing.name}; install it with pip install "slae-lib[onnx]".'
        ) from None
    if tuple(map(int, torch.__version__.split(".")[:2])) < NEEDED:
        raise LabError(
            f"ONNX needs PyTorch {'.'.join(map(str, NEEDED))} or newer and this is "
            f"{torch.__version__}; install a newer one."
        )
    steered = Steered(generator).eval()
    example = tuple(value.expand(2, *value.shape[1:]) for value in steered.unsteered().values())
    steered(*example)  # draws the fixed noise of the blocks, which are constants from now on
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about ways of exporting that are not taken here
        program = torch.onnx.export(
            steered,
            example,
            input_names=steered.inputs,
            output_names=steered.outputs,
            dynamic_shapes=(({0: batch},) * len(example),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if half:
        _halve(model, onnx)
    facts = {"format": FORMAT, "config": json.dumps(vars(generator.config))}
    onnx.helper.set_model_props(model, facts)
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return path


def _halve(model: Any, onnx: Any) -> None:
    """Store large weights in half precision, each behind a cast that runs once, when it loads."""
    for weight in list(model.graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == "float32" and values.size >= _HALVED:
            name, stored = weight.name, f"{weight.name}.half"
            weight.CopyFrom(onnx.numpy_helper.from_array(values.astype("float16"), stored))
            cast = onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
