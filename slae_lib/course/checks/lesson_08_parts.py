"""What the checks of lesson 08 give to a student's functions, and how they watch them."""

import copy
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slae_lib import losses
from slae_lib.augment import augment
from slae_lib.course.checks.base import called, require
from slae_lib.discriminator import Discriminator, downsample
from slae_lib.generator import Generator
from slae_lib.training.presets import PRESETS

MODEL, CONFIG = PRESETS["cpu-demo"].model, PRESETS["cpu-demo"].train
LOG = ["discriminator", "reconstruction", "real_logits", "fake_logits"]


class State:
    """What a student's functions get in place of the notebook's Training.

    Attributes:
        happened: who drew, judged and learned, in this order, once it is watched.
    """

    def __init__(self) -> None:
        self.generator = Generator(MODEL)
        self.discriminator = Discriminator(MODEL)
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), 1e-2)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), 1e-2)
        self.average = copy.deepcopy(self.generator)
        self.iteration = 0
        self.happened: list[str] = []

    def to(self, device: torch.device) -> "State":
        """Bring the networks to a device; nothing has been learned yet."""
        for network in (self.generator, self.discriminator, self.average):
            network.to(device)
        return self

    def watch(self, *, drawn: bool = False) -> "State":
        """Note what happens, and refuse what has no history, or a drawing after all is drawn."""
        for name, network, optimizer in (
            ("G", self.generator, self.generator_optimizer),
            ("D", self.discriminator, self.discriminator_optimizer),
        ):
            verb = "draws" if name == "G" else "judges"
            network.register_forward_hook(self._noted(f"{name} {verb}", drawn))
            optimizer.register_step_post_hook(self._noted(f"{name} learns", drawn))
        return self

    def _noted(self, event: str, drawn: bool) -> Callable[..., None]:
        def note(*_: object) -> None:
            if event == "G draws":
                require(not drawn, "drawn_again")
                require(not is_off(self.generator), "generator_off")
            require(torch.is_grad_enabled() or event.endswith("learns"), "no_grad", who=event)
            self.happened.append(event)

        return note


@functools.cache
def _first() -> State:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return State()


def fresh() -> State:
    """Return a copy of the same new state, which is quicker than to make one."""
    return copy.deepcopy(_first())


def drawn(state: State) -> list[Tensor]:
    """Let the generator draw images of both sizes, which keep their history and gradients."""
    noise, metadata = torch.randn(4, MODEL.noise_dim), torch.randn(4, MODEL.metadata_dim)
    fake = state.generator(noise, metadata)
    fake.image.retain_grad()
    fake.small.retain_grad()
    return [fake.image, fake.small]


def untouched(generator: nn.Module, fakes: list[Tensor]) -> bool:
    """Whether no gradient came to a generator, and its own step can still go back through it."""
    weights = list(generator.requires_grad_(True).parameters())
    try:
        torch.autograd.grad([each.sum() for each in fakes], weights, allow_unused=True)
    except RuntimeError:  # the history is cleared
        return False
    return all(weight.grad is None for weight in weights)


def is_off(network: nn.Module) -> bool:
    """Whether some weights of a network get no gradients."""
    return not all(weight.requires_grad for weight in network.parameters())


def shared(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks of one kind have a tensor in common, and not only its numbers."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return any(mine.data_ptr() == theirs.data_ptr() for mine, theirs in pairs)


class Spy(torch.optim.SGD):
    """An optimizer that notes when it is asked for something."""

    def __init__(self, weight: Tensor, rate: float) -> None:
        super().__init__([weight], rate)
        self.happened: list[str] = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Note it, and forget the gradients."""
        self.happened.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        """Note it, and take a step."""
        self.happened.append("step")
        return super().step(closure)


def attempt(answer: Callable[..., Any], *inputs: object, lost: str) -> Any:
    """Call an answer, and explain the errors that a misplaced gradient or output leads to.

    Raises:
        Refused: for the cause ``lost`` if a loss has no history, for ``second_backward``, or for
            ``no_logits``.
    """
    try:
        return called(answer, *inputs)
    except RuntimeError as error:
        require("does not require grad" not in str(error), lost)
        require("second time" not in str(error), "second_backward")
        raise
    except (AttributeError, TypeError) as error:
        require("DiscriminatorOutput" not in str(error), "no_logits")
        raise


def pictures(inputs: tuple[Tensor, ...], named: dict[str, Any]) -> list[Tensor]:
    """Return the images that a discriminator is called with, the whole ones first."""
    return [*inputs, *(named[name] for name in ("image", "small") if name in named)]


def sized(inputs: tuple[Tensor, ...], named: dict[str, Any]) -> list[Tensor]:
    """Return these images, and refuse them in other sizes than the two."""
    require(len(inputs) < 3, "by_place", found=len(inputs))
    images = pictures(inputs, named)
    sizes = [each.shape[-1] for each in images]
    told = " and ".join(f"{size} px" for size in sizes)
    require(sizes == [MODEL.resolution, MODEL.small_resolution], "sizes", found=told)
    return images


def gradients(network: nn.Module, loss: Tensor | None = None) -> Tensor:
    """Return all gradients of a network in one row, 0 where there is none.

    Args:
        network: whose weights.
        loss: whose gradients, in place of those that lie there; it can be asked again.
    """
    weights = list(network.parameters())
    found = [weight.grad for weight in weights]
    if loss is not None:
        found = list(torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True))
    pairs = zip(weights, found, strict=True)
    row = [torch.zeros_like(weight) if each is None else each for weight, each in pairs]
    return torch.cat([each.detach().flatten() for each in row])


def same(found: Tensor, wanted: Tensor) -> bool:
    """Whether two gradients are the same but for rounding."""
    return bool((found - wanted).norm() <= 1e-3 * wanted.norm())


def spectral_vectors(network: nn.Module) -> Tensor:
    """Return what all spectral norms have found, which changes whenever they are computed."""
    named = network.named_buffers()
    return torch.cat([values for name, values in named if name.endswith(("_u", "_v"))])


def first_weight(network: nn.Module) -> Tensor:
    """Return a copy of the first weights of a network, on the CPU."""
    return next(network.parameters()).detach().cpu().clone()


def moved_from(seen: Tensor, real: Tensor) -> bool:
    """Whether images (B, 3, 64, 64) are ``real`` ones, each moved by up to 8 pixels."""
    if seen.shape != real.shape:
        return False
    middle = seen[:, :, 8:-8, 8:-8]
    windows = real.unfold(2, 48, 1).unfold(3, 48, 1).permute(2, 3, 0, 1, 4, 5)  # (17, 17, B, ...)
    far = (windows - middle).abs().flatten(3).amax(dim=3)  # (17, 17, B)
    return bool((far.amin(dim=(0, 1)) < 1e-4).all())


class Judged(NamedTuple):
    """What a discriminator was given in one pass."""

    quarter: Any
    images: list[Tensor]


def discriminators(step: Callable[..., Any], seen: list[Judged]) -> tuple[State, list[Tensor], Any]:
    """Let a discriminator take a step that was left switched off, as by the iteration before."""
    torch.manual_seed(1)
    state = fresh()
    weights = list(state.discriminator.requires_grad_(False).parameters())
    weights[0].requires_grad_(True)  # so that one sees who switches them off here

    def judging(network: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        seen.append(Judged(named.get("quarter"), sized(inputs, named)))
        require(any(weight.requires_grad for weight in weights), "switched_off")
        require(not is_off(network), "asleep")
        require(network.training, "eval")
        state.happened += ["G off"] * is_off(state.generator)

    state.discriminator.register_forward_pre_hook(judging, with_kwargs=True)
    real, fakes = torch.rand(4, 3, 64, 64) * 2 - 1, drawn(state)
    torch.manual_seed(3)  # the quarter is not 0
    log = attempt(step, state.watch(drawn=True), real, *fakes, lost="loss_detached")
    return state, fakes, log


class RightStep:
    """The lab's step of the discriminator, and what is compared with it.

    Attributes:
        hinge, distance: the gradients of its two losses.
        wrong: those of other hinges, by cause and by what it tells.
        seen: what was judged.
        vectors: of the spectral norms, after it.
        log: what the log keeps.
    """

    hinge: Tensor
    distance: Tensor
    wrong: dict[tuple[str, str], Tensor]

    def __init__(self) -> None:
        self.seen: list[Judged] = []
        state, _, self.log = discriminators(self._step, self.seen)
        self.vectors = spectral_vectors(state.discriminator)

    def _step(self, state: State, real: Tensor, fake: Tensor, small: Tensor) -> dict[str, Tensor]:
        quarter = int(torch.randint(4, ()))
        image = augment(real, CONFIG.augment)
        real_small = augment(downsample(real, MODEL.small_resolution), CONFIG.augment)
        network = state.discriminator.requires_grad_(True)
        with parametrize.cached():
            on_real = network(image, real_small, quarter=quarter)
            on_fake = network(fake.detach(), small.detach())
        one, other = on_real.logits, on_fake.logits
        hinge = losses.discriminator_hinge(one, other)
        distance = losses.reconstruction_loss(on_real.reconstructions, losses.l1_distance)
        pairs = {
            ("swapped", ""): (other, one),
            ("fake_ignored", ""): (one, other.detach()),
            ("real_ignored", ""): (one.detach(), other),
            ("one_kind", "on_real"): (one, one),
            ("one_kind", "on_fake"): (other, other),
        }
        wrong = {told: losses.discriminator_hinge(*pair) for told, pair in pairs.items()}
        wrong["other_loss", "softplus(...)"] = (F.softplus(-one) + F.softplus(other)).mean()
        wrong["other_loss", "fake.mean() - real.mean()"] = other.mean() - one.mean()
        self.wrong = {told: gradients(network, loss) for told, loss in wrong.items()}
        self.hinge, self.distance = gradients(network, hinge), gradients(network, distance)
        log = hinge, distance, one.mean(), other.mean()
        return {name: each.detach() for name, each in zip(LOG, log, strict=True)}


def wrong_losses(generator: nn.Module, logits: Tensor) -> dict[str, Tensor]:
    """Return what a generator's gradients would be with losses that are not its own."""
    wrong = {
        "discriminator_hinge(logits, logits)": losses.discriminator_hinge(logits, logits),
        "relu(1 - logits).mean()": F.relu(1 - logits).mean(),
        "relu(1 + logits).mean()": F.relu(1 + logits).mean(),
        "softplus(-logits).mean()": F.softplus(-logits).mean(),
        "softplus(logits).mean()": F.softplus(logits).mean(),
        "-logits.sum()": -logits.sum(),
    }
    return {told: gradients(generator, loss) for told, loss in wrong.items()}
