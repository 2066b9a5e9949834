"""A run is shared with a card that the Hub's own library reads, and draws there as it does here."""

import hashlib
import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard
from huggingface_hub.utils import validate_repo_id

from slae_lib.cli import main
from slae_lib.course.stored import demo_run
from slae_lib.support.errors import LabError
from slae_lib.training.card import model_card
from slae_lib.training.run import generator_file
from slae_lib.training.sampling import sample_images


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = shutil.copytree(demo_run(), tmp_path / "runs" / "faces")
    (folder / "README.md").unlink()
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the Hub, with its library's own check of names."""
    place = tmp_path / "hub"

    class Api:
        def create_repo(self, name: str, private: bool, exist_ok: bool) -> object:
            validate_repo_id(name)
            assert exist_ok
            (place / name).mkdir(parents=True, exist_ok=True)
            (place / name / "private").write_text(str(private))
            return huggingface_hub.RepoUrl(f"https://huggingface.co/{name}")

        def upload_folder(self, *, repo_id: str, folder_path: Path) -> str:
            shutil.copytree(folder_path, place / repo_id, dirs_exist_ok=True)
            return f"https://huggingface.co/{repo_id}/tree/main/"

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return place


def evaluation(run: Path, name: str, **values: object) -> None:
    path = run / f"evaluation-{name}.json"
    path.write_text(json.dumps({"generator_sha256": "another"} | values), encoding="utf-8")


def sha256_of(run: Path) -> str:
    return hashlib.sha256(generator_file(run).read_bytes()).hexdigest()


PAPERS = ("run.json", "README.md")
KID = {"kid": 0.0644, "subsets": 100, "subset_size": 93}
FID = {"fid": 110.8, "generated_images": 1000, "real_images": 93}


def test_the_card_is_read_by_the_hubs_own_library(run: Path) -> None:
    evaluation(run, "fid", generator_sha256=sha256_of(run), fid=FID, kid=KID)
    card = ModelCard(model_card(run), ignore_metadata_errors=False)
    assert card.data.license == "mit"
    assert card.data.library_name == "slae-lib"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {"fid": 110.8, "kid": 0.0644}
    assert (
        "- FID 110.80: 1000 generated against 93 real images\n- KID x 1000 64.40: 100" in card.text
    )
    assert "after Fluent Emoji by Microsoft (MIT)" in card.text
    assert "2000 iterations of 8 images" in card.text
    assert "Nothing yet" not in card.text


def test_only_what_was_measured_of_this_generator_counts(run: Path) -> None:
    evaluation(run, "fid", fid=FID, kid=KID)
    assert "Nothing yet" in model_card(run)
    evaluation(run, "all", generator_sha256=sha256_of(run), fid={"not_measured": "no weights"})
    assert "Nothing yet" in model_card(run)


def test_a_damaged_evaluation_is_one_sentence(run: Path) -> None:
    evaluation(run, "fid", generator_sha256=sha256_of(run), fid={"fid": "low"})
    with pytest.raises(LabError, match=r"is damaged .*evaluation-\*\.json, and measure again"):
        model_card(run)
    (run / "evaluation-fid.json").write_text("[]")
    with pytest.raises(LabError, match=r"evaluation-fid\.json is damaged .*measure again"):
        model_card(run)


def test_a_card_of_own_pictures_asks_for_their_licence_and_tells_no_path(run: Path) -> None:
    values = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps(values | {"data": "/home/someone/cats"}), "utf-8")
    card = ModelCard(model_card(run))
    assert card.data.license is None
    assert "a folder named cats" in card.text
    assert "say here what it is" in card.text
    assert "/home" not in str(card)


def test_a_shared_run_can_be_drawn_from(run: Path, hub: Path) -> None:
    evaluation(run, "fid", generator_sha256=sha256_of(run), fid=FID, kid=KID)
    done = CliRunner().invoke(main, ["push", str(run), "somebody/faces"])
    assert (done.exit_code, done.output) == (
        0,
        "https://huggingface.co/somebody/faces/tree/main/\n",
    )
    shared = hub / "somebody/faces"
    assert (shared / "private").read_text() == "True"
    there = {path.name for path in shared.iterdir() if path.is_file()} - {"private"}
    assert there == {"generator.safetensors", "metadata.safetensors", "metrics.csv", *PAPERS}
    assert "FID 110.80" in (shared / "README.md").read_text("utf-8")
    ours, theirs = (sample_images(generator_file(folder), 4) for folder in (run, shared))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_card_that_was_written_by_hand_stays(run: Path, hub: Path) -> None:
    (run / "README.md").write_text("# My cats", encoding="utf-8")
    done = CliRunner().invoke(main, ["push", str(run), "somebody/faces", "--public"])
    assert done.exit_code == 0, done.output
    assert (hub / "somebody/faces/README.md").read_text("utf-8") == "# My cats"
    assert (hub / "somebody/faces/private").read_text() == "False"


@pytest.mark.parametrize("name", ["", "two words", "a/b/c", "-/x"])
def test_a_name_that_the_hub_cannot_have_is_one_sentence(name: str, run: Path, hub: Path) -> None:
    done = CliRunner().invoke(main, ["push", "--", str(run), name])
    assert done.exit_code == 1
    assert "check the name" in done.output.replace("\n", " ")


def test_no_network_is_one_sentence(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    done = CliRunner().invoke(main, ["push", str(run), "somebody/faces"])
    assert done.exit_code == 1
    assert "could not be shared on the Hugging Face Hub" in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_the_lab_may_be_forbidden_to_use_the_network(
    run: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAE_OFFLINE", "1")
    done = CliRunner().invoke(main, ["push", str(run), "somebody/faces"])
    assert done.exit_code == 1
    assert "(SLAE_OFFLINE is set)" in done.output
    assert not hub.exists()
