"""Exam questions: every answer computed once more, without the lab, from the question's numbers."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from slae_lib.cli import main
from slae_lib.course.exams import asked, drawn
from slae_lib.course.exams.base import Values
from slae_lib.course.lessons import LESSONS

LOGISTIC = np.vectorize(lambda x: 1 / (1 + math.exp(-x)))
SEEDS = ("2027", "summer", "14 rooms")


def numbers(text: str) -> np.ndarray:
    return np.array([float(number) for number in text.replace(",", " ").split()])


def table(text: str) -> np.ndarray:
    """The tables that stand below each other in a text: (n, h, w)."""
    return np.array([[numbers(line) for line in it.split("\n")] for it in text.split("\n\n")])


def near(shown: str | float, found: object, digits: int = 9) -> bool:
    """Whether what is shown is what was found, up to half of the last digit that is shown."""
    value = numbers(shown) if isinstance(shown, str) else np.array(shown)
    return np.allclose(value, np.ravel(found), rtol=1e-6, atol=0.5001 * 10.0**-digits)


def same_table(shown: str, found: np.ndarray, digits: int = 9) -> bool:
    return np.allclose(table(shown)[0], found, atol=0.5001 * 10.0**-digits)


def field(v: Values) -> bool:
    """The receptive field as a gradient: which pixels change the middle of the output."""
    layers = [nn.Conv2d(1, 1, 4, 2, 1) for _ in range(v["blocks"])] + [nn.Conv2d(1, 1, v["kernel"])]
    for layer in layers:
        nn.init.ones_(layer.weight)
    picture = torch.zeros(1, 1, 256, 256, requires_grad=True)
    made = nn.Sequential(*layers)(picture)
    made[0, 0, made.shape[2] // 2, made.shape[3] // 2].backward()
    return int(picture.grad[0, 0].any(dim=0).sum()) == v["field"]


def cosines(v: Values) -> np.ndarray:
    raw = numbers(v["raw"])
    rows = [numbers(v[name]) for name in "abc"]
    return np.array([row @ raw / np.linalg.norm(row) / np.linalg.norm(raw) for row in rows])


def distances(v: Values) -> list[float]:
    sample = numbers(v["sample"])
    return [float(np.sqrt(np.mean((numbers(v[name]) - sample) ** 2))) for name in "abc"]


def copied(v: Values) -> bool:
    order = sorted(zip(distances(v), "ABC", strict=True))
    verdict = "copy" if order[0][0] < v["limit"] * order[1][0] else "new"
    said = (v["nearest"], v["verdict"]) == (order[0][1], verdict)
    return said and near(v["first"], order[0][0]) and near(v["second"], order[1][0])


def compared(v: Values) -> bool:
    differences = numbers(v["ours"]) - numbers(v["theirs"])
    mean, reach = differences.mean(), v["student"] * differences.std(ddof=1) / math.sqrt(3)
    verdict = "better" if mean + reach < 0 else "worse" if mean - reach > 0 else "not decided"
    bounds = near(v["low"], mean - reach, 2) and near(v["high"], mean + reach, 2)
    return near(v["mean"], mean) and bounds and v["verdict"] == verdict


def silent(v: Values) -> bool:
    side = v["size"] // 4
    found = (v["cell_y"], v["cell_x"], v["pooled"], v["twins"])
    return found == (v["y"] // side, v["x"] // side, v["value"] / side**2, side**2)


def adam(v: Values) -> bool:
    gradients = v["first_gradient"], v["second_gradient"]
    moved = [v["weight"] - math.copysign(v["rate"], gradient) for gradient in gradients]
    return near([v["first"], v["second"]], moved, 6)


def flat(v: Values) -> bool:
    means = np.array([v["value"] * v["first"], v["value"] * v["second"]])
    gates = LOGISTIC(v["weight"] * means * LOGISTIC(means))
    shown = near(v["first_gate"], gates[0], 6) and near(v["second_gate"], gates[1], 6)
    return shown and near(v["change"], 100 * (gates[1] / gates[0] - 1), 3)


def attention(v: Values) -> float:
    channels = numbers(v["channels"])
    logit = v["mean_weight"] * channels.mean() + v["maximum_weight"] * channels.max()
    return float(LOGISTIC(logit))


def hinge(v: Values) -> tuple[float, int]:
    margins = np.stack([1 - numbers(v["real"]), 1 + numbers(v["fake"])])
    return float(np.maximum(0, margins).mean(axis=1).sum()), int((margins < 0).sum())


def errors(v: Values) -> list[float]:
    return [np.abs(table(v[it]) - table(v[f"{it}_target"])).mean() for it in ("first", "second")]


def kernels(v: Values) -> float:
    real, fake = numbers(v["real"]), numbers(v["fake"])
    mixed = np.mean((np.outer(real, fake) + 1) ** 3)
    return float((real.prod() + 1) ** 3 + (fake.prod() + 1) ** 3 - 2 * mixed)


def frechet(v: Values) -> float:
    real, fake = numbers(v["real"]), numbers(v["fake"])
    return (real.mean() - fake.mean()) ** 2 + (real.std(ddof=1) - fake.std(ddof=1)) ** 2


def brightened(v: Values) -> np.ndarray:
    pixels = table(v["pixels"])[0] + v["step"]
    return pixels.mean() + v["factor"] * (pixels - pixels.mean())


def lows(v: Values) -> list[int]:
    return [4, 8, 16, 32] if v["resolution"] >= 512 else [4, 8, 16]


ANSWERS: dict[str, Callable[[Values], bool]] = {
    "0.1": lambda v: near(
        v["point"],
        (1 - v["part"]) * numbers(v["first"]) + v["part"] * numbers(v["second"]),
        1,
    ),
    "0.2": lambda v: (v["small"], v["metadata_dim"]) == (min(128, v["resolution"] // 2), 512),
    "0.3": lambda v: v["passes"] * v["pictures"] == v["iterations"] * v["batch"],
    "1.1": lambda v: v["shifts"] == (2 * (v["resolution"] // 8) + 1) ** 2,
    "1.2": lambda v: (
        v["grey"] == (v["resolution"] // 2 - v["down"]) * (v["resolution"] // 2 - v["right"])
        and near(v["share"], 100 * v["grey"] / v["resolution"] ** 2)
    ),
    "1.3": lambda v: same_table(v["changed"], brightened(v), 3),
    "2.1": lambda v: (
        same_table(v["mean"], table(v["features"]).mean(axis=0))
        and same_table(v["maximum"], table(v["features"]).max(axis=0))
    ),
    "2.2": lambda v: near(v["attention"], attention(v), 6),
    "2.3": lambda v: (v["weights"], v["padding"]) == (2 * v["kernel"] ** 2, (v["kernel"] - 1) / 2),
    "3.1": lambda v: (
        v["sle"] == 16 * v["low"] * v["high"] + v["high"] ** 2 and v["more"] == 2 * v["kernel"] ** 2
    ),
    "3.2": silent,
    "3.3": lambda v: (
        near(v["gate"], LOGISTIC(numbers(v["logits"])), 2)
        and near(v["out"], numbers(v["high"]) * LOGISTIC(numbers(v["logits"])), 2)
    ),
    "4.1": lambda v: v["parameters"] == 9 * v["channels"] * 2 * v["out"] + 2 * 2 * v["out"],
    "4.2": lambda v: near(
        v["out"], numbers(v["features"])[:2] * LOGISTIC(numbers(v["features"])[2:]), 2
    ),
    "4.3": lambda v: (
        v["links"] == ", ".join(f"{4 * 2**n}→{v['resolution'] // 4 * 2**n}" for n in range(3))
        and (v["blocks"], v["channels"])
        == (math.log2(v["resolution"] / 4), v["widest"] * 4 / v["low"])
    ),
    "5.1": field,
    "5.2": lambda v: same_table(
        v["part"],
        table(v["features"])[0][2 * (v["quarter"] // 2) :, 2 * (v["quarter"] % 2) :][:2, :2],
    ),
    "5.3": lambda v: (
        v["half"] * 2 == v["size"]
        and v["parameters"] == 16 * v["channels"] * v["out"] + 2 * v["out"]
    ),
    "6.1": lambda v: (
        near(v["means"], [table(v["first"]).mean(), table(v["second"]).mean()])
        and v["moved"] == v["means"]
    ),
    "6.2": lambda v: near(
        v["standardised"],
        (v["other"] - numbers(v["values"]).mean()) / numbers(v["values"]).std(),
    ),
    "6.3": lambda v: (
        near(v["cosines"], cosines(v), 2) and v["nearest"] == "ABC"[int(cosines(v).argmax())]
    ),
    "7.1": lambda v: near([v["loss"], v["silent"]], hinge(v), 6),
    "7.2": lambda v: near(
        [v["loss"], v["gradient"]],
        [-numbers(v["fake"]).mean(), -1 / len(numbers(v["fake"]))],
        6,
    ),
    "7.3": lambda v: near(v["loss"], sum(errors(v)), 6) and near(v["each"], errors(v), 3),
    "8.1": lambda v: near(
        v["averaged"], v["after"] + (v["before"] - v["after"]) * v["decay"] ** v["steps"]
    ),
    "8.2": adam,
    "8.3": lambda v: near(
        [v["gradient"], v["new"]],
        [
            slope := 2 * v["inputs"] * (v["inputs"] * v["weight"] - v["target"]),
            v["weight"] - v["rate"] * slope,
        ],
    ),
    "9.1": lambda v: (
        np.float16(v["weight"] + v["quarters"] / v["finer"]) == v["weight"] + v["kept"] / v["apart"]
        and np.spacing(np.float16(v["weight"])) == 1 / v["apart"]
    ),
    "9.2": lambda v: (
        v["kept"] % v["every"] == 0
        and 0 < v["lost"] == v["reached"] - v["kept"] < v["every"]
        and v["reached"] < v["total"]
        and near(v["minutes"], (v["total"] - v["kept"]) / v["rate"] / 60)
    ),
    "9.3": lambda v: (
        v["weights"] == v["ins"] * v["outs"] * v["kernel"] ** 2
        and near(v["mebibytes"], 5 * 4 * v["weights"] / 1024 / 1024)
    ),
    "10.1": lambda v: near(v["distance"], frechet(v), 6),
    "10.2": copied,
    "10.3": lambda v: near(v["distance"], kernels(v), 6),
    "11.1": compared,
    "11.2": lambda v: (
        2 * v["deviation"] / math.sqrt(v["seeds"])
        <= v["difference"]
        < 2 * v["deviation"] / math.sqrt(v["seeds"] - 1)
    ),
    "11.3": lambda v: near(
        v["macs"], v["kernel"] ** 2 * v["channels"] * v["out"] * v["size"] ** 2 / 1e6
    ),
    "12.1": lambda v: near(
        [v["before"], v["after"]],
        [table(v["low"]).mean(), (table(v["low"]) * table(v["attention"])).mean()],
        6,
    ),
    "12.2": lambda v: v["all"] == v["batch"] * sum(low**2 for low in lows(v)),
    "12.3": flat,
}


@pytest.mark.parametrize("key", ANSWERS)
def test_an_answer_is_right(key: str) -> None:
    lesson, place = map(int, key.split("."))
    for seed in SEEDS:
        values = drawn(seed, lesson, place)
        assert ANSWERS[key](values), values


def test_every_lesson_has_three_questions() -> None:
    assert list(ANSWERS) == [f"{lesson.number}.{n}" for lesson in LESSONS for n in (1, 2, 3)]


@pytest.mark.parametrize("lesson", range(len(LESSONS)))
def test_a_sheet_can_be_read_and_another_seed_makes_another(lesson: int) -> None:
    sheets = [asked(str(seed), lesson) for seed in range(12)]
    assert asked("0", lesson) == sheets[0]
    odd = r"[{}]|\bnan\b|\binf\b|tensor|\d\.\d{5}|\de[+-]?\d"
    for variants in zip(*sheets, strict=True):
        assert len({one.text for one in variants}) >= 6
        assert len({one.answer for one in variants}) >= 4
        for one in variants:
            for said in (one.text, one.answer):
                assert not re.search(odd, said), said
                assert said.count("```") % 2 == 0
            # Whatever has two decimals has to be rounded by the student, who is told how.
            assert "decimal" in one.text or not re.search(r"\d\.\d{2}", one.answer), one


def slae(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_writes_a_sheet_without_its_answers(tmp_path: Path) -> None:
    sheet, answers = tmp_path / "sheet.md", tmp_path / "sheet-answers.md"
    done = slae("exam", "--seed", "2027", "--lessons", "02 3", "--out", sheet)
    assert done.exit_code == 0, done.output
    assert done.output == f"{sheet}\n{answers}\n"
    keys = ["2.1", "2.2", "2.3", "3.1", "3.2", "3.3"]
    for path in (sheet, answers):
        assert re.findall(r"^\*\*(\S+)\*\* ", path.read_text("utf-8"), re.MULTILINE) == keys
    assert "2027" not in sheet.read_text("utf-8")
    assert "Seed: 2027" in answers.read_text("utf-8")
    again = slae("exam", "--seed", "1", "--lessons", "2", "--out", sheet)
    assert again.exit_code == 2
    assert "sheet.md is there already" in again.output


@pytest.mark.parametrize(
    ("lessons", "said"), [("13", "no lesson 13"), ("two", "no lesson two"), (" ", "No lesson is")]
)
def test_a_lesson_that_does_not_exist_is_told(lessons: str, said: str, tmp_path: Path) -> None:
    done = slae("exam", "--seed", "1", "--lessons", lessons, "--out", tmp_path / "sheet.md")
    assert done.exit_code == 2
    assert said in done.output
