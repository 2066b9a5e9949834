"""One iteration: the same mathematics as the plain layers, without waiting, compiled, in bf16."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from unittest import mock

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from slae_lib.blocks import UpsampledConv
from slae_lib.config import ModelConfig
from slae_lib.discriminator import downsample
from slae_lib.support.device import fast_precision
from slae_lib.support.spectral_norm import SpectralNorms
from slae_lib.training.config import TrainConfig
from slae_lib.training.state import StepLosses, TrainingState
from slae_lib.training.step import TrainingStep

MODEL = ModelConfig(resolution=64, width=8, noise_dim=16)
CONFIG = TrainConfig(batch_size=4, reconstruction="l1", device="cpu", samples=2)


class Training:
    """A state, its step, and one batch."""

    def __init__(self, config: TrainConfig = CONFIG, model: ModelConfig = MODEL) -> None:
        AcceleratorState._reset_state(reset_partial_state=True)  # it would keep the precision
        set_seed(0)
        self.state = TrainingState(model, config, None)
        self.step = self.new_step(config)
        self.real = torch.rand(4, 3, model.resolution, model.resolution) * 2 - 1
        self.metadata = torch.randn(4, model.metadata_dim) if model.metadata else None

    def new_step(self, config: TrainConfig) -> TrainingStep:
        accelerator = Accelerator(cpu=True, mixed_precision=config.precision)
        return TrainingStep(self.state, config, accelerator)

    def iterate(self, times: int = 1) -> list[StepLosses]:
        set_seed(1)
        return [self.step(self.real, self.metadata) for _ in range(times)]


def plain(layer: nn.Module) -> nn.Module:
    """The layer as PyTorch has it: upsampling and convolution apart, its own spectral norm."""
    weight, norm = layer.get_parameter("parametrizations.weight.original"), None
    norm = layer.get_submodule("parametrizations.weight.0")
    if isinstance(layer, nn.ConvTranspose2d):
        bare: nn.Module = nn.ConvTranspose2d(*weight.shape[:2], layer.kernel_size, bias=False)
    else:
        assert isinstance(layer, nn.Conv2d)
        places = layer.stride, layer.padding
        bare = nn.Conv2d(
            layer.in_channels, layer.out_channels, layer.kernel_size, *places, bias=False
        )
    bare = parametrizations.spectral_norm(bare)
    bare.get_parameter("parametrizations.weight.original").data.copy_(weight)
    for name in ("_u", "_v"):
        bare.get_submodule("parametrizations.weight.0").get_buffer(name).copy_(
            norm.get_buffer(name)
        )
    if isinstance(layer, UpsampledConv):
        return nn.Sequential(nn.Upsample(scale_factor=2), bare)
    return bare


def make_plain(network: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if parametrize.is_parametrized(child, "weight"):
                setattr(parent, name, plain(child))


@contextlib.contextmanager
def cached_norms(self: SpectralNorms) -> Iterator[None]:
    with parametrize.cached():
        yield


@pytest.fixture
def in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("reconstruction", ["l1", "none"])
def test_ten_iterations_are_those_of_the_plain_layers(
    reconstruction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(CONFIG, reconstruction=reconstruction)
    fast = Training(config).iterate(10)
    slow = Training(config)
    for network in (slow.state.generator, slow.state.discriminator):
        make_plain(network)
    state = slow.state  # the optimisers have to know the new layers
    state.generator_optimizer, state.discriminator_optimizer = TrainingStep.optimizers(
        state.generator, state.discriminator, config
    )
    state.update_average = lambda: None  # of other layers
    slow.step = slow.new_step(config)
    monkeypatch.setattr(SpectralNorms, "together", cached_norms)
    for ours, theirs in zip(fast, slow.iterate(10), strict=True):
        for name in ("discriminator", "generator", "real_logits", "fake_logits", "reconstruction"):
            found, expected = getattr(ours, name), getattr(theirs, name)
            if expected is not None:
                torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_between_two_log_lines_nothing_is_waited_for() -> None:
    """A number of Python's that comes from a tensor would make an accelerator finish its work."""
    training = Training(dataclasses.replace(CONFIG, augment="color,translation,cutout"))
    training.iterate()
    found: list[str] = []

    def noticed(name: str) -> Callable[..., object]:
        original = getattr(Tensor, name)

        @functools.wraps(original)
        def call(self: Tensor, *args: object) -> object:
            if self is not training.state.average.n_averaged:  # stays on the CPU
                found.append(name)
            return original(self, *args)

        return call

    with contextlib.ExitStack() as stack:
        for name in ("item", "tolist", "__float__", "__int__", "__bool__", "__index__", "numpy"):
            stack.enter_context(mock.patch.object(Tensor, name, noticed(name)))
        float(torch.zeros(1))
        assert found  # it does notice
        found.clear()
        training.iterate(3)
    assert found == []


def test_one_power_iteration_for_each_pass_and_network() -> None:
    training = Training()
    training.iterate()
    critic = training.state.discriminator.get_submodule("stem.0.parametrizations.weight.0")
    decoder = training.state.discriminator.get_submodule(
        "decode_small.1.1.parametrizations.weight.0"
    )
    steps = {}
    for name, norm in {"critic": critic, "decoder": decoder}.items():
        steps[name] = norm.get_buffer("_u").clone()
    with training.step.critic_norms.together():
        pass
    assert not torch.equal(critic.get_buffer("_u"), steps["critic"])
    assert torch.equal(decoder.get_buffer("_u"), steps["decoder"])  # judging needs no decoder


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_once_for_each_network_and_mode(mode: str) -> None:
    """The generator, and the discriminator that learns from real, from fake, and that judges."""
    import torch._dynamo as dynamo
    from torch._dynamo.utils import counters

    dynamo.reset()
    counters.clear()
    asked: list[dict[str, object]] = []

    def compiled(network: nn.Module, **how: object) -> object:
        asked.append(how.copy())
        how.pop("mode")
        return original(network, backend="aot_eager", **how)

    original = torch.compile
    with mock.patch.object(torch, "compile", compiled):
        training = Training(dataclasses.replace(CONFIG, compile=True, compile_mode=mode))
    found = training.iterate(6)
    assert counters["stats"]["unique_graphs"] == 4
    assert not counters["graph_break"]
    assert [how["mode"] for how in asked] == [mode] * 3
    expected = Training().iterate(6)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.discriminator, theirs.discriminator, rtol=1e-3, atol=1e-3)
    dynamo.reset()


def test_too_many_compilations_are_an_error_and_no_silent_fallback() -> None:
    import torch._dynamo as dynamo

    if not hasattr(dynamo.config, "recompile_limit"):
        pytest.skip("PyTorch 2.6 goes on without compiling")
    dynamo.reset()
    original = torch.compile
    with mock.patch.object(
        torch,
        "compile",
        lambda network, **_: original(network, backend="eager", fullgraph=True, dynamic=False),
    ):
        training = Training(dataclasses.replace(CONFIG, compile=True))

    def other_batches() -> None:
        for batch in range(2, 7):
            training.step(
                training.real[:1].expand(batch, -1, -1, -1), training.metadata[:1].expand(batch, -1)
            )

    few = dynamo.config.patch(recompile_limit=2)
    with few, pytest.raises(dynamo.exc.FailOnRecompileLimitHit):
        other_batches()
    dynamo.reset()


def gradients(precision: str) -> tuple[StepLosses, dict[str, Tensor]]:
    config = dataclasses.replace(CONFIG, precision=precision)
    training = Training(config)
    (losses,) = training.iterate()
    found = {}
    for name in ("generator", "discriminator"):
        weights = getattr(training.state, name).parameters()
        found[name] = torch.cat([w.grad.flatten() for w in weights if w.grad is not None])
    return losses, found


def test_bf16_gives_losses_and_gradients_close_to_those_of_fp32() -> None:
    losses, directions = gradients("bf16")
    expected, expected_directions = gradients("no")
    for ours, theirs in zip(losses, expected, strict=True):
        if theirs is not None:
            assert ours.isfinite()
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05)
    for name, direction in directions.items():
        assert direction.isfinite().all()
        cosine = torch.cosine_similarity(direction, expected_directions[name], dim=0)
        assert cosine > 0.85, name


def test_every_feature_map_has_the_order_of_memory_that_a_cpu_is_fast_in() -> None:
    training = Training()
    plain: list[str] = []

    def look(name: str, made: object) -> None:
        a_map = isinstance(made, Tensor) and made.ndim == 4 and min(made.shape[1:]) > 1
        if a_map and not made.is_contiguous(memory_format=torch.channels_last):
            plain.append(name)

    for network in (training.state.generator, training.state.discriminator):
        for name, layer in network.named_modules():
            if "parametrizations" not in name and not name.startswith("start"):
                layer.register_forward_hook(lambda _, __, made, name=name: look(name, made))
    training.iterate()
    assert plain == []


def test_networks_in_channels_last_give_the_same_losses() -> None:
    training = Training()
    for network in (training.state.generator, training.state.discriminator):
        network.to(memory_format=torch.channels_last)
    expected = Training().iterate(2)
    for ours, theirs in zip(training.iterate(2), expected, strict=True):
        torch.testing.assert_close(ours.discriminator, theirs.discriminator, rtol=1e-3, atol=1e-3)


def test_auto_is_resolved_once_and_stored() -> None:
    config = dataclasses.replace(CONFIG, precision="auto").settled()
    assert config.precision == fast_precision(torch.device("cpu"))
    assert config.settled() == config


def test_a_small_real_image_is_augmented_apart_or_made_from_the_augmented_one() -> None:
    for choice, same in (("apart", False), ("together", True)):
        training = Training(dataclasses.replace(CONFIG, augment_small=choice))
        image, small = training.step._augmented(training.real)
        assert image.shape == (4, 3, 64, 64)
        assert torch.allclose(downsample(image, 32), small) == same
