"""The stage without a browser: what it computes, says, is told and survives."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from explorer_run import faces_bank, make_run
from PIL import Image

from slae_lib.attention import LINKS, SkipLayerAttentionExcitation
from slae_lib.baselines.stylegan2.config import NARROW
from slae_lib.datasets.bank import MetadataBank
from slae_lib.explorer import Stage, TrainingMonitor, bank_still, still
from slae_lib.explorer.faces import Faces
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.scene import View, compute, make_scene, noise_of, view_of
from slae_lib.explorer.source import Source
from slae_lib.explorer.stage import seen
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


def asked(stage: Stage, **changes: Any) -> tuple[dict[str, Any], list[bytes]]:
    """What the stage answers to its front end."""
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    stage.send = lambda content, buffers=(): sent.append((content, list(buffers)))
    stage._asked(stage, {"id": 7, "view": {**stage.view, **changes}}, [])
    (answer,) = sent
    assert answer[0]["id"] == 7
    return answer


# --- what it computes -----------------------------------------------------------------------


def test_the_plain_image_is_the_generators_own(run: Path) -> None:
    source = Source(run)
    bank = MetadataBank.load(run / "metadata.safetensors")
    noise = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    usual = int(bank.rows().square().mean(1).argmin())  # 0 is the mean of all
    assert view_of(source).picture == bank.names[usual]
    image = source.generator("finished")(noise, bank.rows([usual])).image
    expected = ((image[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(make_scene(view_of(source), source).image, expected)


def test_attention_of_one_everywhere_is_a_plain_sle(sharp: Path) -> None:
    source = Source(sharp)
    slae = source.generator("finished")
    sle = Generator(dataclasses.replace(slae.config, skip="sle")).eval()
    plain = {k: v for k, v in slae.state_dict().items() if ".attention." not in k}
    fold_spectral_norm(sle)
    sle.load_state_dict(plain)
    view = view_of(source, picture=None, link="4->16", attention="ones")
    output = sle(noise_of(view, slae), torch.zeros(1, 512), return_attention=True)
    scene = make_scene(view, source)
    torch.testing.assert_close(scene.gates, output.gates["4->16"].flatten())


def test_mixed_noise_is_as_long_as_noise_of_a_seed(run: Path) -> None:
    generator = Source(run).generator("finished")
    views = [View(seed=seed, second_seed=seed + 500, mix=0.5) for seed in range(200)]
    lengths = torch.stack([noise_of(view, generator).square().mean() for view in views])
    assert lengths.mean().item() == pytest.approx(1, abs=0.05)


def test_a_stroke_does_not_compute_the_plain_image_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(run)
    before, _ = compute(view_of(source), source)
    calls: list[None] = []
    forward = Generator.forward
    monkeypatch.setattr(
        Generator, "forward", lambda *a, **k: calls.append(None) or forward(*a, **k)
    )
    painted = {"4->16": [1.0] * 16}
    assert compute(view_of(source, painted=painted), source)[0]["image"] is before["image"]
    assert len(calls) == 1
    again, _ = compute(view_of(source, seed=1, painted=painted), source)
    assert len(calls) == 3
    assert not torch.equal(again["image"], before["image"])


def test_only_what_is_painted_is_replaced(sharp: Path) -> None:
    source = Source(sharp)
    places: list[float | None] = [None] * 64
    places[10], places[11] = 0.0, 0.75
    before, after = compute(view_of(source, painted={"8->32": places}), source)
    own, used = before["attention_8_32"].flatten(), after["attention_8_32"].flatten()
    assert used[[10, 11]].tolist() == [0.0, 0.75]
    others = [index for index in range(64) if index not in (10, 11)]
    assert torch.equal(used[others], own[others])
    assert not torch.equal(before["gates_8_32"], after["gates_8_32"])


def test_a_gate_by_hand_opens_its_channel_alone(sharp: Path) -> None:
    source = Source(sharp)
    view = view_of(source, link="16->64", gates={"16->64": {"3": 1.0}})
    before, after = compute(view, source)
    moved = (before["gates_16_64"] != after["gates_16_64"]).flatten()
    assert moved.nonzero().flatten().tolist() == [3]
    assert after["gates_16_64"][0, 3, 0, 0] == 1
    assert torch.equal(before["before_16_64"], after["before_16_64"])
    assert not torch.equal(before["image"], after["image"])


@pytest.mark.parametrize("kind", ["ones", "zeros", "mean", "shuffled"])
def test_a_kind_of_attention_is_painted_on_the_stage(sharp: Path, kind: str) -> None:
    stage = Stage(sharp, attention=kind, link="8->32")
    own = compute(view_of(stage.source), stage.source)[0]["own_attention_8_32"].flatten()
    expected = {
        "ones": torch.ones_like(own),
        "zeros": torch.zeros_like(own),
        "mean": own.mean().expand_as(own),
        "shuffled": own.sort().values,
    }[kind]
    painted = torch.tensor(stage.view["painted"]["8->32"])
    found = painted.sort().values if kind == "shuffled" else painted
    torch.testing.assert_close(found, expected, atol=0.0051, rtol=0)
    assert "attention" not in stage.view


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
    run = make_run(tmp_path / "run", skip="cbam", metadata=False)
    stage = Stage(run, painted={"8->32": [1.0] * 32 + [0.0] * 32})
    assert stage.about["attention"]
    assert "its 8x8 attention map reaches from 0.000 to 1.000" in stage.still().facts[1]
    ones = still(run, attention="ones").facts[3]
    assert "is set to 1 everywhere. " in ones  # and not "so that it is a plain SLE"
    (maps,) = [fact for fact in TrainingMonitor(run).facts if "link" in fact]
    assert maps.startswith("Attention at iteration 4, on the first sample: link 4 → 16 ")


# --- what the front end is told -------------------------------------------------------------


def test_the_front_end_gets_the_pictures_that_python_shows(sharp: Path) -> None:
    stage = Stage(sharp)
    places = [0.5] * 16
    answer, buffers = asked(stage, seed=5, painted={"4->16": places})
    arrays = {
        name: (shape, data) for (name, shape), data in zip(answer["arrays"], buffers, strict=True)
    }
    source = Source(sharp)
    scene = make_scene(view_of(source, seed=5, painted={"4->16": places}), source)
    for name, image in (("after/image", scene.image), ("before/image", scene.plain_image)):
        shape, data = arrays[name]
        assert shape == [64, 64, 3]
        found = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(shape)
        assert torch.equal(found, image.permute(1, 2, 0))


def test_large_feature_maps_are_sent_small(run: Path) -> None:
    source = Source(run)
    arrays = seen(view_of(source, link="16->64"), source)
    assert arrays["after/before_16_64"].shape == (16, 32, 32)
    assert "after/before_8_32" not in arrays
    whole = compute(view_of(source, link="16->64"), source)[1]["before_16_64"][0]
    torch.testing.assert_close(arrays["after/before_16_64"].mean(), whole.mean())


def test_the_stage_is_told_what_there_is(run: Path) -> None:
    about = Stage(run).about
    assert [link["low"] for link in about["links"]] == [4, 8, 16]
    assert about["sizes"] == [4, 8, 16, 32, 64]
    assert about["generators"] == ["finished", "iteration 4", "iteration 2"]
    assert about["attribution"] == "after Fluent Emoji by Microsoft (MIT)"
    assert len(about["pictures"]) == 93
    spots = {(face["x"], face["y"]) for face in about["pictures"]}
    assert len(spots) == 93, "no face hides another"
    assert json.loads(json.dumps(about)) == about


def test_near_faces_are_those_of_the_bank(run: Path) -> None:
    bank = faces_bank()
    faces = Stage(run).about["pictures"]
    index = bank.names.index("1f622.webp")
    _, nearest = bank.nearest(bank.values[index], 5)
    assert faces[index]["near"] == [at for at in nearest.tolist() if at != index]


def test_the_sheet_has_every_face_in_its_place(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheet.webp"
    file.write_bytes(Stage(run).sheet)
    with Image.open(file) as sheet:
        assert sheet.size == (16 * 48, 6 * 48)
        devil = faces_bank().names.index("1f608.webp")  # the violet one
        x, y = 48 * (devil % 16) + 24, 48 * (devil // 16) + 24
        red, green, blue = sheet.convert("RGB").getpixel((x, y))
    assert blue > green
    assert red > green


def test_pictures_of_a_folder_are_read_only_when_they_can_be(tmp_path: Path) -> None:
    names = ("blue.png", "gone.png", "red.png")
    for name in (names[0], names[2]):
        Image.new("RGB", (80, 64), name[:-4]).save(tmp_path / name)
    bank = MetadataBank(torch.rand(3, 512), names, "relu5_3", 256, "w", "mine", "f")
    blue, gone, red = TrainingPictures(bank, str(tmp_path)).many(list(names))
    assert gone is None
    assert red is not None
    assert blue is not None
    assert blue[:, 0, 0].tolist() == [0, 0, 255]


def test_thousands_of_pictures_are_not_all_sent() -> None:
    names = tuple(f"{index:04}.png" for index in range(1500))
    values = torch.rand(1500, 512)
    bank = dataclasses.replace(faces_bank(), values=values, names=names, data_name="x")
    faces = Faces(bank, TrainingPictures(bank, None))
    assert len(faces.described()["pictures"]) == 400
    (dots,) = [
        line
        for line in bank_still(bank, "0003.png").figure.axes[0].lines
        if len(line.get_xdata()) > 9
    ]
    assert len(dots.get_xdata()) == 1500


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
def test_a_wrong_path_is_one_sentence(tmp_path: Path, kind: str, sentence: str) -> None:
    stage = Stage(foreign(tmp_path).get(kind, kind))
    assert sentence in stage.message
    assert stage.about == {}
    with pytest.raises(LabError):
        stage.still()
    data, facts = stage._repr_mimebundle_()
    assert data["text/plain"] == stage.message
    assert "image/png" not in facts


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sed": 3}, "no setting sed"),
        ({"mix": 2}, "mix is 2; it has to be a number between 0 and 1"),
        ({"seed": -1}, "seed is -1; it has to be a whole number from 0 on"),
        ({"picture": "cat"}, "no training picture 'cat'"),
        ({"attention": "painted"}, "no attention 'painted'; choose one of own, ones, zeros"),
        ({"painted": {"4->16": [1.0]}}, "has 1 places; it has to have 4 x 4"),
        ({"painted": {"4->16": [3.0] * 16}}, "a place of 4->16 is 3.0"),
        ({"gates": {"4->16": {"99": 1.0}}}, "Link 4->16 has no channel '99'"),
        ({"gates": {"4->16": {"0": "x"}}}, "a gate is 'x'"),
    ],
)
def test_what_no_view_can_be_is_one_sentence(
    run: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(LabError, match=sentence):
        still(run, **changes)
    stage = Stage(run)
    assert sentence in asked(stage, **changes)[0]["error"]
    assert "arrays" in asked(stage)[0]  # it goes on


def test_a_bank_of_another_data_set_is_said_and_not_used(copied: Path) -> None:
    file = copied / "metadata.safetensors"
    bank = MetadataBank.load(file)
    dataclasses.replace(bank, data_name="pandas", data_fingerprint="other").save(file)
    stage = Stage(copied)
    assert "holds the metadata of 'pandas'" in stage.message
    assert stage.about["pictures"] == []
    assert "no picture (zeros)" in stage.still().facts[0]


def test_an_unfinished_run_finds_the_stored_metadata(copied: Path) -> None:
    for name in ("metadata.safetensors", "generator.safetensors"):
        (copied / name).unlink()
    stage = Stage(copied)
    assert stage.message == ""
    assert stage.about["generators"] == ["iteration 4", "iteration 2"]
    assert "1f61f worried face" in stage.still().facts[0]


def test_a_run_that_was_moved_is_said_and_found_again(copied: Path) -> None:
    stage = Stage(copied)
    away = copied.rename(copied.with_name("away"))
    answer, _ = asked(stage, checkpoint="iteration 2")
    assert "is gone; choose another checkpoint" in answer["error"]
    away.rename(copied)
    assert "arrays" in asked(stage, checkpoint="iteration 2")[0]


def test_a_fault_is_told_and_not_hidden(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    stage = Stage(run)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr("slae_lib.explorer.stage.compute", broken)
    stage.send = lambda content, buffers=(): sent.append(content)
    with pytest.raises(ZeroDivisionError):
        stage._asked(stage, {"id": 1, "view": stage.view}, [])
    assert "fault in the stage and not yours" in sent[0]["error"]
    assert "ZeroDivisionError: a bug" in sent[0]["error"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 GB"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_too_little_memory_is_said(
    run: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def forward(*_: Any, **__: Any) -> None:
        raise error

    stage = Stage(run)
    with monkeypatch.context() as patch:
        patch.setattr(Generator, "forward", forward)
        assert "not enough memory for an image of 64 px" in asked(stage, seed=1)[0]["error"]
    assert "arrays" in asked(stage, seed=1)[0]


def test_opening_a_file_offers_the_checkpoints_of_its_run(run: Path) -> None:
    stage = Stage(run / "checkpoints" / "step-0000002.pt")
    assert stage.view["checkpoint"] == "iteration 2"
    assert set(stage.about["generators"]) == {"finished", "iteration 4", "iteration 2"}


# --- stills ---------------------------------------------------------------------------------


def test_a_still_is_of_the_view_that_is_shown(run: Path) -> None:
    stage = Stage(run, seed=3)
    stage.view = {**stage.view, "seed": 9, "painted": {"4->16": [1.0] * 16}}
    facts = stage.still().facts
    assert "Noise of seed 9" in facts[0]
    assert "the attention of link 4 → 16 is painted" in facts[3]
    assert "Noise of seed 4" in stage.still(seed=4).facts[0]
    assert stage.view["seed"] == 9


def test_without_attention_and_metadata_the_gates_remain(fastgan: Path) -> None:
    facts = still(fastgan).facts
    assert "takes no metadata" in facts[0]
    assert "is a plain SLE: it has no attention" in facts[1]
    assert facts[2].startswith("Gates: ")
    stage = Stage(fastgan, attention="ones")  # what it does not have is left out
    assert stage.view["painted"] == {}
    assert not stage.about["attention"]
    assert "arrays" in asked(stage, gates={"4->16": {"0": 0.0}})[0]


def test_a_still_tells_its_facts_where_no_picture_can_be_shown(run: Path) -> None:
    shown = still(run, seed=2)
    data, facts = shown._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"].splitlines() == [*shown.facts, shown.attribution]
    assert facts["image/png"] == {"alt": shown.alt, "width": 922}


def test_in_a_notebook_a_picture_is_stored_beside_the_stage(run: Path) -> None:
    stage = Stage(run)
    data, facts = stage._repr_mimebundle_()
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == stage.model_id
    assert data["text/plain"] == "Stage: it can be painted on where a kernel runs."
    assert facts["image/png"]["alt"] == stage.still().alt
    assert len(json.dumps(data)) < 60_000  # a notebook has to stay small


def test_the_map_of_a_bank_is_told_in_words() -> None:
    bank = faces_bank()
    shown = bank_still(bank, "1f622.webp", neighbours=3)
    cosines, indices = bank.nearest(bank.values[bank.names.index("1f622.webp")], 4)
    for cosine, index in list(zip(cosines.tolist(), indices.tolist(), strict=True))[1:]:
        assert bank.names[index].removesuffix(".webp") in shown.facts[1]
        assert f"({cosine:.2f})" in shown.facts[1]
    assert "1f622" not in shown.facts[1]
    assert shown.facts[0].startswith("1f622 crying face lies at the ")
    assert all(fact in shown.alt for fact in shown.facts)
    with pytest.raises(LabError, match="no picture 'cat'"):
        bank_still(bank, "cat")
