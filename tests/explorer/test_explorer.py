"""The attention explorer: what it computes, says and survives. The browser's part is elsewhere."""

import asyncio
import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from explorer_run import make_run
from PIL import Image

from slae_lib.attention import LINKS, SkipLayerAttentionExcitation
from slae_lib.baselines.stylegan2.config import NARROW
from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer import AttentionExplorer, TrainingMonitor, attention, updates
from slae_lib.explorer.base import Still
from slae_lib.explorer.pictures import figure_html
from slae_lib.explorer.scene import Scene, View, make_scene, noise_of
from slae_lib.explorer.source import Source
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.spectral_norm import fold_spectral_norm
from slae_lib.training.checkpoint import save_generator
from slae_lib.training.families import make_generator


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "slae")


@pytest.fixture(scope="module")
def fastgan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without attention and without metadata."""
    return make_run(tmp_path_factory.mktemp("runs") / "fastgan", skip="sle", metadata=False)


@pytest.fixture
def explorer(run: Path) -> AttentionExplorer:
    return AttentionExplorer(run)


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """A run that a test may damage."""
    return Path(shutil.copytree(run, tmp_path / "copied"))


@pytest.fixture
def sharp(copied: Path) -> Path:
    """The same run with a generator whose links matter, as those of a long training do."""
    file = copied / "generator.safetensors"
    generator = Source(copied).generator("finished")
    for parameter in generator.parameters():
        parameter.data.mul_(4 if parameter.ndim == 4 else 1)
    save_generator(file, generator)
    return copied


def listed(widget: Any) -> Iterator[Any]:
    """All widgets below one."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from listed(child)


# --- what it shows --------------------------------------------------------------------------


def test_words_alt_and_controls_tell_the_same(explorer: AttentionExplorer) -> None:
    explorer.controls.seed.value = 3
    assert explorer.view.seed == 3
    assert "Noise of seed 3" in explorer.facts[0]
    assert "metadata of 1f600 grinning face" in explorer.facts[0]
    assert explorer.facts[-1] == "Nothing is changed: this is the plain image."
    assert all(fact in explorer.alt for fact in explorer.facts)
    pages = [part.value for part in listed(explorer.widget) if type(part).__name__ == "HTML"]
    (picture,) = [page for page in pages if 'alt="From left to right' in page]
    assert picture.startswith('<img src="data:image/png;base64,')
    assert any("Noise of seed 3" in page for page in pages if "<li>" in page)


def test_the_plain_image_is_the_generators_own(explorer: AttentionExplorer, run: Path) -> None:
    generator = Source(run).generator("finished")
    bank = MetadataBank.load(run / "metadata.safetensors")
    noise = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    image = generator(noise, bank.rows([0])).image
    expected = ((image[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(explorer.scene.image, expected)


def test_attention_of_one_everywhere_is_a_plain_sle(sharp: Path) -> None:
    source = Source(sharp)
    slae = source.generator("finished")
    sle = Generator(dataclasses.replace(slae.config, skip="sle")).eval()
    plain = {k: v for k, v in slae.state_dict().items() if ".attention." not in k}
    fold_spectral_norm(sle)
    sle.load_state_dict(plain)
    view = View("finished", link="4->16", attention="ones")
    scene = make_scene(view, source)
    output = sle(noise_of(view, slae), torch.zeros(1, 512), return_attention=True)
    torch.testing.assert_close(scene.gates, output.gates["4->16"].flatten())


def test_mixed_noise_is_as_long_as_noise_of_a_seed(run: Path) -> None:
    source = Source(run)
    generator = source.generator("finished")
    lengths = torch.stack(
        [
            noise_of(View("finished", seed, seed + 500, mix=0.5), generator).square().mean()
            for seed in range(200)
        ]
    )
    assert lengths.mean().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("ones", "set to 1"), ("mean", "its mean"), ("shuffled", "shuffled"), ("painted", "painting")],
)
def test_changed_attention_changes_gates_and_words(sharp: Path, kind: str, sentence: str) -> None:
    explorer = AttentionExplorer(sharp)
    explorer.controls.attention.value = kind
    scene = explorer.scene
    assert not torch.equal(scene.gates, scene.plain_gates)
    assert sentence in explorer.facts[3]
    own, used = scene.own_attention.flatten(), scene.attention.flatten()
    expected = {
        "ones": torch.ones_like(own),
        "mean": own.mean().expand_as(own),
        "shuffled": own.sort().values,
        "painted": (own > own.mean()).float(),
    }[kind]
    found = used.sort().values if kind == "shuffled" else used
    torch.testing.assert_close(found, expected)


def test_one_square_of_a_painting_opens_its_part_of_the_map(explorer: AttentionExplorer) -> None:
    controls = explorer.controls
    controls.link.value = "16->64"
    controls.attention.value = "painted"
    controls.paint.shapes.value = "nothing"
    assert explorer.scene.attention.sum() == 0
    square = controls.paint.grid.children[8 + 2]
    assert square.description == "row 2, column 3"
    square.value = True
    expected = torch.zeros(16, 16)
    expected[2:4, 4:6] = 1  # row 2 and column 3 of 8 on a map of 16
    assert torch.equal(explorer.scene.attention, expected)
    assert controls.paint.shapes.value == "own painting"
    assert "4 of its 256 places" in explorer.facts[1]


def test_a_painting_follows_the_link(explorer: AttentionExplorer) -> None:
    controls = explorer.controls
    controls.attention.value = "painted"
    controls.paint.shapes.value = "left half"
    controls.link.value = "4->16"
    assert len(explorer.view.painting.split()) == 4
    assert torch.equal(explorer.scene.attention[0], torch.tensor([1.0, 1.0, 0.0, 0.0]))


VIEWS: list[dict[str, Any]] = [
    {},
    {"seed": 5, "second_seed": 9, "mix": 0.3, "checkpoint": "iteration 2"},
    {"picture": None},
    {
        "picture": "1f60e.webp",
        "second_picture": "2639-fe0f.webp",
        "picture_mix": 0.4,
        "link": "16->64",
    },
    {"attention": "ones"},
    {"attention": "mean", "colors": "viridis", "overlay": 0.2},
    {"attention": "shuffled", "link": "4->16"},
    {"attention": "painted"},
]


def makes_what_is_shown(explorer: AttentionExplorer) -> Still:
    """Run the line that "Show the code" shows, and compare its picture with the explorer's."""
    imports, line = explorer.code.split("\n\n")
    names: dict[str, Any] = {}
    exec(imports, names)
    made = eval(line, names)
    assert made.facts == explorer.facts
    assert made.alt == explorer.alt
    assert made.attribution == explorer.still.attribution
    assert figure_html(made.figure, "") == figure_html(explorer.still.figure, "")
    drawn, shown = (
        [image.get_array() for axis in still.figure.axes for image in axis.images]
        for still in (made, explorer.still)
    )
    assert all((one == other).all() for one, other in zip(drawn, shown, strict=True))
    return made


@pytest.mark.parametrize("changes", VIEWS)
def test_the_copied_code_makes_the_same_picture(
    explorer: AttentionExplorer, changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        getattr(explorer.controls, name).value = value
        assert explorer.message == ""
    explorer.controls.code_wanted.value = True
    assert explorer.controls.code.value == explorer.code
    makes_what_is_shown(explorer)


def test_the_code_is_one_line_and_names_only_what_was_changed(
    explorer: AttentionExplorer, run: Path
) -> None:
    line = f"AttentionExplorer({str(run)!r}).static(%s)\n"
    imported = "from slae_lib.explorer import AttentionExplorer\n\n"
    assert explorer.code == imported + line % ""
    explorer.controls.seed.value = 3
    explorer.controls.attention.value = "ones"
    assert explorer.code == imported + line % "seed=3, attention='ones'"


def test_a_painting_by_hand_is_in_the_code(explorer: AttentionExplorer) -> None:
    explorer.controls.link.value = "4->16"
    explorer.controls.attention.value = "painted"
    explorer.controls.paint.shapes.value = "rim"
    explorer.controls.paint.grid.children[0].value = False
    assert "attention='painted', painting='0111 1001 1001 1111')" in explorer.code
    makes_what_is_shown(explorer)
    explorer.controls.attention.value = "own"
    assert "painting" not in explorer.code
    makes_what_is_shown(explorer)


@pytest.mark.parametrize("name", ["my first run", 'it\'s "quoted"', "back\\slash"])
def test_the_code_holds_any_path(run: Path, tmp_path: Path, name: str) -> None:
    explorer = AttentionExplorer(shutil.copytree(run, tmp_path / name))
    explorer.controls.seed.value = 2
    assert "seed 2" in makes_what_is_shown(explorer).facts[0]


def test_the_code_of_a_run_that_was_typed_names_that_run(
    explorer: AttentionExplorer, fastgan: Path
) -> None:
    explorer.controls.code_wanted.value = True
    explorer.controls.seed.value = 4
    explorer.controls.run.value = str(fastgan)
    assert f"AttentionExplorer({str(fastgan)!r}).static(seed=4)" in explorer.controls.code.value
    makes_what_is_shown(explorer)


class ChannelAndSpatialAttention(SkipLayerAttentionExcitation):
    """A link that this lab does not have: CBAM's two attentions before the gate."""

    def __init__(
        self, low_channels: int, high_channels: int, kernel_size: int = 7, norm: bool = True
    ) -> None:
        super().__init__(low_channels, high_channels, kernel_size, norm)
        self.channels = torch.nn.Linear(low_channels, low_channels)

    def gate(self, low: torch.Tensor, attention_map: torch.Tensor | None = None) -> torch.Tensor:
        weights = self.channels(low.mean((2, 3))).sigmoid()[:, :, None, None]
        return super().gate(2 * weights * low, attention_map)


def test_a_new_kind_of_link_is_looked_at_like_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LINKS, "cbam", ChannelAndSpatialAttention)
    explorer = AttentionExplorer(make_run(tmp_path / "run", skip="cbam", metadata=False))
    controls = explorer.controls
    assert not controls.attention.disabled
    assert "its 8x8 attention map reaches from" in explorer.facts[1]
    controls.attention.value = "painted"
    controls.paint.shapes.value = "left half"
    assert torch.equal(explorer.scene.attention.mean(0), torch.tensor(4 * [1.0] + 4 * [0.0]))
    makes_what_is_shown(explorer)
    controls.attention.value = "ones"
    assert not torch.equal(explorer.scene.gates, explorer.scene.plain_gates)
    assert "is set to 1 everywhere. " in explorer.facts[3]  # and not "so that it is a plain SLE"
    (maps,) = [fact for fact in TrainingMonitor(tmp_path / "run").facts if "link" in fact]
    assert maps.startswith("Attention at iteration 4, on the first sample: link 4 → 16 ")


def test_without_attention_and_metadata_the_gates_remain(fastgan: Path) -> None:
    explorer = AttentionExplorer(fastgan)
    controls = explorer.controls
    assert explorer.message == ""
    assert "is a plain SLE: it has no attention" in explorer.facts[1]
    assert explorer.facts[2].startswith("Gates: ")
    assert "takes no metadata" in explorer.facts[0]
    assert controls.attention.disabled
    assert controls.picture.disabled
    controls.attention.value = "ones"  # as a script might
    assert explorer.view.attention == "own"
    makes_what_is_shown(explorer)


def test_all_pictures_are_listed_by_name(explorer: AttentionExplorer) -> None:
    explorer.controls.all_pictures.value = True
    gallery = explorer.controls.gallery.value
    assert gallery.count("<li") == gallery.count("<img") == 93
    assert "1f60e smiling face with sunglasses" in gallery
    explorer.controls.all_pictures.value = False
    assert explorer.controls.gallery.value == ""


# --- controls -------------------------------------------------------------------------------


def test_every_control_has_a_name_and_a_tooltip(explorer: AttentionExplorer) -> None:
    explorer.controls.attention.value = "painted"
    passive = {"HTML", "VBox", "Box", "GridBox"}
    found = [part for part in listed(explorer.widget) if type(part).__name__ not in passive]
    assert len(found) > 16 + 64
    for part in found:
        assert part.description, part
        tooltip = part.tooltip if part.has_trait("tooltip") else part.description_tooltip
        assert tooltip, part
    assert not any("Slider" in type(part).__name__ for part in found)


def test_two_explorers_do_not_disturb_each_other(run: Path) -> None:
    one, other = AttentionExplorer(run), AttentionExplorer(run)
    before = other.facts
    one.controls.seed.value = 8
    one.controls.link.value = "4->16"
    assert other.facts == before
    assert other.controls.seed.value == 0


# --- when it draws --------------------------------------------------------------------------


def test_changes_of_the_browser_are_drawn_in_one_go(
    explorer: AttentionExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = explorer.updates.count
    message = SimpleNamespace(parent_header={"header": {"msg_type": "comm_msg"}})
    monkeypatch.setattr(updates, "get_ipython", lambda: message)

    async def browser() -> None:
        for seed in range(1, 11):
            explorer.controls.seed.value = seed
        assert explorer.view.seed == 0  # nothing is drawn while messages come in
        await asyncio.sleep(5 * updates.PATIENCE)

    asyncio.run(browser())
    assert explorer.view.seed == 10
    assert explorer.updates.count == drawn + 1


def test_a_key_in_another_thread_while_it_draws_is_not_lost(
    explorer: AttentionExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel may take the next message of the browser in a thread of its own."""
    keys = [0.2, 0.4]

    def slow(view: View, source: Source) -> Scene:
        scene = make_scene(view, source)
        if keys:
            key = keys.pop(0)
            other = threading.Thread(target=lambda: setattr(explorer.controls.mix, "value", key))
            other.start()
            other.join(0.2)  # it waits for this drawing, and then draws
        return scene

    monkeypatch.setattr(attention, "make_scene", slow)
    explorer.controls.mix.value = 0.1
    for _ in range(100):
        if explorer.view.mix == 0.4:
            break
        time.sleep(0.05)
    assert explorer.view.mix == 0.4
    assert explorer.controls.mix.value == 0.4


def test_a_square_painted_while_it_draws_is_not_lost(
    explorer: AttentionExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.controls.link.value = "4->16"
    explorer.controls.attention.value = "painted"
    explorer.controls.paint.shapes.value = "nothing"
    squares = explorer.controls.paint.grid.children
    first, last = squares[0], squares[-1]
    others: list[threading.Thread] = []

    def slow(view: View, source: Source) -> Scene:
        scene = make_scene(view, source)
        if not others:
            others.append(threading.Thread(target=lambda: setattr(last, "value", True)))
            others[0].start()
            others[0].join(0.2)
        return scene

    monkeypatch.setattr(attention, "make_scene", slow)
    first.value = True
    others[0].join()
    assert first.value
    assert last.value
    assert explorer.view.painting[0] == "1"
    assert explorer.view.painting[-1] == "1"
    assert explorer.view.painting.count("1") == 2


def test_who_asks_gets_the_newest(
    explorer: AttentionExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = SimpleNamespace(parent_header={"header": {"msg_type": "comm_msg"}})
    monkeypatch.setattr(updates, "get_ipython", lambda: message)

    async def browser() -> None:
        explorer.controls.seed.value = 4
        assert "seed 4" in explorer.facts[0]

    asyncio.run(browser())


def test_a_fault_is_shown_and_not_hidden(
    explorer: AttentionExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("slae_lib.explorer.attention.view_figure", broken)
        with pytest.raises(ZeroDivisionError):  # in a notebook, the cell fails, and its test
            explorer.controls.seed.value = 1
        assert "fault in the explorer" in explorer.message
        assert "ZeroDivisionError: a bug" in explorer.message
    explorer.controls.seed.value = 2
    assert explorer.message == ""
    assert "seed 2" in explorer.facts[0]


# --- bad input ------------------------------------------------------------------------------


def foreign(folder: Path) -> dict[str, Path]:
    """Files and folders that are no generators."""
    text = folder / "text.safetensors"
    text.write_text("hello")
    checkpoint = folder / "step-0000001.pt"
    torch.save({"weights": torch.zeros(3)}, checkpoint)
    stylegan = folder / "stylegan2.safetensors"
    save_generator(stylegan, make_generator(NARROW))
    empty = folder / "empty"
    empty.mkdir()
    return {"text": text, "checkpoint": checkpoint, "stylegan": stylegan, "empty": empty}


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("text", "is damaged"),
        ("checkpoint", "is not a checkpoint of this lab"),
        ("stylegan", "holds StyleGAN2, which has no skip links"),
        ("empty", "holds neither a generator.safetensors nor a checkpoint"),
        ("nowhere", "does not exist"),
        ("x" * 5000, "does not exist"),
        ("~nobody-of-this-name/run", "does not exist"),
    ],
)
def test_a_wrong_path_is_one_sentence_and_another_can_be_typed(
    run: Path, tmp_path: Path, kind: str, sentence: str
) -> None:
    explorer = AttentionExplorer(foreign(tmp_path).get(kind, kind))
    assert sentence in explorer.message
    assert explorer.facts == []
    with pytest.raises(LabError):
        explorer.static()
    explorer.controls.seed.value = 1  # there is nothing to draw yet
    assert sentence in explorer.message
    explorer.controls.run.value = str(run)
    assert explorer.message == ""
    assert explorer.facts[0].startswith("Generator: finished.")


def test_a_wrong_path_later_leaves_the_old_run_usable(explorer: AttentionExplorer) -> None:
    explorer.controls.run.value = "nowhere"
    assert explorer.message == (
        "nowhere does not exist; name the folder of a run, or its generator.safetensors."
    )
    explorer.controls.seed.value = 6
    assert "seed 6" in explorer.facts[0]


def test_a_bank_of_another_data_set_is_said_and_not_used(copied: Path) -> None:
    file = copied / "metadata.safetensors"
    bank = MetadataBank.load(file)
    dataclasses.replace(bank, data_name="pandas", data_fingerprint="other").save(file)
    explorer = AttentionExplorer(copied)
    assert "holds the metadata of 'pandas'" in explorer.message
    assert "no picture (zeros)" in explorer.facts[0]
    explorer.controls.seed.value = 2
    assert "seed 2" in explorer.facts[0]
    makes_what_is_shown(explorer)


def test_a_missing_bank_is_said(copied: Path) -> None:
    (copied / "metadata.safetensors").unlink()
    (copied / "run.json").unlink()
    explorer = AttentionExplorer(copied)
    assert "metadata.safetensors is missing" in explorer.message
    assert "no picture (zeros)" in explorer.facts[0]


def test_an_unfinished_run_finds_the_stored_metadata(copied: Path) -> None:
    for name in ("metadata.safetensors", "generator.safetensors"):
        (copied / name).unlink()
    explorer = AttentionExplorer(copied)
    assert explorer.message == ""
    assert list(explorer.controls.checkpoint.options) == ["iteration 4", "iteration 2"]
    assert "1f600 grinning face" in explorer.facts[0]
    makes_what_is_shown(explorer)


def test_a_checkpoint_that_is_gone_is_said(copied: Path) -> None:
    explorer = AttentionExplorer(copied)
    (copied / "checkpoints" / "step-0000002.pt").unlink()
    explorer.controls.checkpoint.value = "iteration 2"
    assert "is gone; choose another checkpoint" in explorer.message
    explorer.controls.checkpoint.value = "finished"
    assert explorer.message == ""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 GB"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_too_little_memory_is_said(
    explorer: AttentionExplorer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def forward(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Generator, "forward", forward)
        explorer.controls.seed.value = 1
        assert "not enough memory for an image of 64 px" in explorer.message
    explorer.controls.seed.value = 2
    assert explorer.message == ""


def test_opening_a_file_offers_the_checkpoints_of_its_run(run: Path) -> None:
    explorer = AttentionExplorer(run / "checkpoints" / "step-0000002.pt")
    assert explorer.view.checkpoint == "iteration 2"
    assert set(explorer.controls.checkpoint.options) == {"finished", "iteration 4", "iteration 2"}


# --- what is kept ---------------------------------------------------------------------------


def test_a_saved_picture_carries_its_words(explorer: AttentionExplorer, tmp_path: Path) -> None:
    explorer.controls.file.value = str(tmp_path / "view")
    explorer.controls.save.click()
    assert explorer.message == ""
    assert "Saved" in explorer.controls.saved.value
    with Image.open(tmp_path / "view.png") as picture:
        assert picture.text["Description"] == explorer.alt
        assert "Fluent Emoji" in picture.text["Copyright"]
    explorer.controls.seed.value = 1
    explorer.controls.save.click()  # its own file may be replaced
    assert explorer.message == ""


def test_a_file_of_somebody_else_is_not_replaced(
    explorer: AttentionExplorer, tmp_path: Path
) -> None:
    file = tmp_path / "thesis.png"
    file.write_text("important")
    explorer.controls.file.value = str(file)
    explorer.controls.save.click()
    assert "exists already; give the picture another name" in explorer.message
    assert file.read_text() == "important"
    explorer.controls.seed.value = 1
    assert explorer.message == ""


# --- without controls -----------------------------------------------------------------------


def test_static_takes_any_setting(explorer: AttentionExplorer) -> None:
    still = explorer.static(seed=3, link="4->16", attention="ones")
    assert "Noise of seed 3" in still.facts[0]
    assert "set to 1 everywhere" in still.alt
    assert explorer.view.seed == 0
    with pytest.raises(LabError, match="no setting sed"):
        explorer.static(sed=3)
    with pytest.raises(LabError, match="mix is 2"):
        explorer.static(mix=2)
    with pytest.raises(LabError, match="no training picture 'cat'"):
        explorer.static(picture="cat")
    with pytest.raises(LabError, match="no attention 'zeros'; choose one of own, ones, mean"):
        explorer.static(attention="zeros")
    for painting in ("0110 011", "01 23", "011"):
        with pytest.raises(LabError, match=f"'{painting}' is no painting; it has to be a square"):
            explorer.static(attention="painted", painting=painting)


def test_a_still_tells_its_facts_where_no_picture_can_be_shown(
    explorer: AttentionExplorer,
) -> None:
    still = explorer.static(seed=2)
    data, facts = still._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"].splitlines() == [*still.facts, still.attribution]
    assert facts["image/png"] == {"alt": still.alt, "width": 922}


def test_in_a_notebook_a_picture_is_stored_beside_the_controls(explorer: AttentionExplorer) -> None:
    data, facts = explorer._repr_mimebundle_()
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorer.widget.model_id
    assert data["text/plain"] == "AttentionExplorer: its controls work where a kernel runs."
    assert facts["image/png"]["alt"] == explorer.alt
    assert len(json.dumps(data)) < 60_000  # a notebook has to stay small


def test_where_nothing_is_open_the_controls_are_shown_alone() -> None:
    data, facts = AttentionExplorer("nowhere")._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert facts == {}
