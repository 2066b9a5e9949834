"""The other languages: in step with the English, with its terms, its formulas and its code."""

import ast
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from matplotlib.figure import Figure

from slae_lib.course.checks import exercise, judge
from slae_lib.course.checks.base import Refused
from slae_lib.course.editions import write_notebooks
from slae_lib.course.lessons import LESSONS
from slae_lib.course.texts import stored_texts
from slae_lib.plotting.style import in_own_style, spoken
from slae_lib.support import language as module
from slae_lib.support.errors import UsageError
from slae_lib.support.language import FOLDER, MARK, PLACE, language, languages, phrases, said

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))
import translations  # noqa: E402

PATHS = [NOTEBOOKS / f"{lesson.name}.ipynb" for lesson in LESSONS]
GLOSSARY = tomllib.loads((NOTEBOOKS / "zh" / "glossary.toml").read_text("utf-8"))
KEPT = {  # what a text has in both languages, as often
    "formulas": re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL),
    "code": re.compile(r"`[^`\n]+`"),
    "targets of links": re.compile(r"\]\(([^)\s]+)\)"),
    "places": re.compile(r"\{[^{}\s]*\}"),
    "rows of tables": re.compile(r"^\|", re.MULTILINE),
    "headings": re.compile(r"^#+ ", re.MULTILINE),
}


def named(path: Path) -> str:
    return path.stem[:2]


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAE_LANGUAGE", "zh")


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_every_text_is_translated_from_what_the_english_says_now(path: Path) -> None:
    assert translations.faults(path, translations.accepted().get(path.stem, {})) == []


def test_a_changed_english_cell_is_found(tmp_path: Path) -> None:
    path = PATHS[2]
    known = translations.accepted()[path.stem]
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells[2:] if cell.cell_type == "markdown")
    cell.source += " And more."
    changed = tmp_path / path.name
    nbformat.write(notebook, changed)
    words = "its English text has changed since it was translated"
    assert translations.faults(changed, known) == [f"{path.stem}, {cell.id}: {words}"]
    del notebook.cells[notebook.cells.index(cell)]
    nbformat.write(notebook, changed)
    assert translations.faults(changed, known) == [
        f"{path.stem}, {cell.id}: is translated, and not there"
    ]


def test_a_release_makes_no_translation_stale() -> None:
    text = translations.english(PATHS[2])["02-00"]
    assert text.startswith("# 02 ·")
    assert "colab" not in text


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_formulas_code_and_links_are_the_same_in_both_languages(path: Path) -> None:
    english, other = translations.english(path), translations.translated(path)
    different = []
    for place, text in english.items():
        if "/solution" in place or "```" in text:
            continue
        for what, pattern in KEPT.items():
            if Counter(pattern.findall(text)) != Counter(pattern.findall(other[place])):
                different.append(f"{place}: {what}")
    assert different == []


def meaning(code: str) -> str:
    """What code does: without comments and docstrings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and isinstance(body, list):
            node.body = [
                each
                for each in body
                if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ]
    return ast.dump(tree)


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_solutions_have_the_same_code(path: Path) -> None:
    english, other = translations.english(path), translations.translated(path)
    for place in english:
        if place.endswith("/solution") and place in other:
            ours, theirs = textwrap.dedent(english[place]), textwrap.dedent(other[place])
            assert meaning(theirs) == meaning(ours), place
        for block in re.findall(r"```python\n(.*?)```", english[place], re.DOTALL):
            translated = "".join(re.findall(r"```python\n(.*?)```", other[place], re.DOTALL))
            lines = [line.split("#")[0].strip() for line in block.splitlines()]
            for line in filter(None, lines):
                if '"""' not in line:
                    assert line in translated, f"{place}: {line}"


def terms_of(path: Path) -> Iterator[str]:
    """Yield where a translation has another word than the glossary."""
    english, other = translations.english(path), translations.translated(path)
    code = re.compile(r"```.*?```|`[^`\n]+`|\$[^$\n]+\$|\]\([^)\s]+\)|<[^>]+>", re.DOTALL)
    title = re.compile(r"^- .*", re.MULTILINE)  # of a paper, which keeps its language
    for place, text in english.items():
        if place.endswith("/solution"):
            continue
        words, theirs = code.sub(" ", text), other[place]
        if "## References" in words:
            words = title.sub(" ", words)
        yield from (f"{place}: {word}" for word in GLOSSARY["never"] if word in theirs)
        for term, known in GLOSSARY["terms"].items():
            found = re.search(rf"(?<![\w-]){re.escape(term)}(?![\w-])", words, re.IGNORECASE)
            if found and not any(word.lower() in theirs.lower() for word in known):
                yield f"{place}: {term} is {' or '.join(known)}"


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_terms_are_those_of_the_glossary(path: Path) -> None:
    assert list(terms_of(path)) == []


def test_another_word_for_a_term_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = translations.translated

    def wrong(path: Path) -> dict[str, str]:
        return {place: text.replace("判别器", "鉴别器") for place, text in real(path).items()}

    monkeypatch.setattr(translations, "translated", wrong)
    found = list(terms_of(PATHS[5]))
    assert any(line.endswith("鉴别器") for line in found)
    assert any("discriminator is 判别器" in line for line in found)


@pytest.mark.parametrize(
    "file", sorted((FOLDER / "zh").glob("figures_*.toml")), ids=lambda f: f.stem
)
def test_phrases_have_the_same_places_in_both_languages(file: Path) -> None:
    for key, other in tomllib.loads(file.read_text("utf-8")).items():
        assert sorted(PLACE.findall(key)) == sorted(PLACE.findall(other)), key
        assert PLACE.sub("", key).strip(), f"{key!r} would match anything"


def test_a_phrase_is_the_same_in_all_lessons() -> None:
    seen: dict[str, tuple[str, str]] = {}
    for file in sorted((FOLDER / "zh").glob("figures_*.toml")):
        for key, other in tomllib.loads(file.read_text("utf-8")).items():
            first, before = seen.setdefault(key, (file.stem, other))
            assert other == before, f"{key!r} in {first} and {file.stem}"


def test_the_chinese_list_of_lessons_is_that_of_the_course() -> None:
    rows = (NOTEBOOKS / "zh" / "README.md").read_text("utf-8").splitlines()
    for lesson in LESSONS:
        start = f"| [{lesson.number:02}]({lesson.name}.md) | {said(lesson.title, 'zh')} | "
        (row,) = (row for row in rows if row.startswith(start))
        assert row.endswith(f" | {lesson.minutes} 分钟 |")


def test_phrases_are_looked_up_with_what_stands_in_their_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {"link {0} most at the {1}": "{1}: {0}", "left": "links", "{0}; {1}": "{0} | {1}"}
    monkeypatch.setattr(module, "phrases", lambda _: table)
    module._said.cache_clear()
    module._patterns.cache_clear()
    try:
        assert said("link 4 most at the left", "de") == "links: 4"
        both = "link 4 most at the left; link 8 most at the left"
        assert said(both, "de") == "links: 4 | links: 8"
        assert said("left; unknown", "de") == "left; unknown"
        assert said("left", "en") == "left"
        assert said("link {1} most at the left", "de") == "links: {1}"  # a name with braces
    finally:
        module._said.cache_clear()
        module._patterns.cache_clear()


def test_the_language_is_that_of_the_folder_or_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLAE_LANGUAGE", raising=False)
    assert language() == "en"
    Path(MARK).write_text("zh\n")
    assert language() == "zh"
    Path(MARK).write_bytes(b"\xff\xfe zh")  # no text at all
    assert language() == "en"
    monkeypatch.setenv("SLAE_LANGUAGE", "tlh")  # nobody has translated it
    assert language() == "en"
    monkeypatch.setenv("SLAE_LANGUAGE", "../zh")
    assert language() == "en"


def test_checks_speak_the_language(chinese: None) -> None:
    refused = judge("2.1", ...)
    assert isinstance(refused, Refused)
    assert exercise("2.1").sentence(refused).startswith("三个点还在那里")
    assert exercise("2.1").names == ["pool_channels"]


def test_all_that_every_exercise_may_say_is_translated() -> None:
    english = dict(translations.flat(stored_texts("general")))
    other = dict(translations.flat(stored_texts("zh/general")))
    assert english.keys() == other.keys()
    for place, text in english.items():
        found = KEPT["places"].findall(text)
        assert Counter(found) == Counter(KEPT["places"].findall(other[place])), place


def test_figures_speak_it_if_a_font_does(
    chinese: None, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    @in_own_style
    def draw() -> Figure:
        figure = Figure()
        axis = figure.subplots()
        axis.set_title("Spatial attention")
        axis.bar(["Losses", "no phrase"], [1, 2])
        return figure

    def words(figure: Figure) -> list[str]:
        figure.canvas.draw()
        axis = figure.axes[0]
        return [axis.get_title(), *(tick.get_text() for tick in axis.get_xticklabels())]

    monkeypatch.setattr("slae_lib.plotting.style._font_with", lambda code: None)
    assert spoken("Spatial attention") == "Spatial attention"
    assert words(draw()) == ["Spatial attention", "Losses", "no phrase"]
    monkeypatch.setattr("slae_lib.plotting.style._font_with", lambda code: "DejaVu Sans Mono")
    assert spoken("Spatial attention") == "空间注意力"
    figure = draw()
    (axis,) = figure.axes
    for label in (axis.title, axis.get_xticklabels()[0]):  # its font is named, before it is drawn
        assert "DejaVu Sans Mono" in label.get_fontfamily()
    assert axis.get_xticklabels()[0].get_text() == "损失"
    assert not recwarn.list


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zh") / "course"
    write_notebooks(folder, language="zh")
    return folder


def test_code_is_the_same_in_both_languages(edition: Path) -> None:
    for path in PATHS:
        ours = nbformat.read(path, as_version=4)
        theirs = nbformat.read(edition / path.name, as_version=4)
        nbformat.validate(theirs)
        assert len(ours.cells) == len(theirs.cells)
        for one, other in zip(ours.cells, theirs.cells, strict=True):
            assert (one.id, one.cell_type, one.metadata) == (
                other.id,
                other.cell_type,
                other.metadata,
            )
            if one.cell_type == "code":
                assert one.source == other.source
            else:
                assert re.search("[\u4e00-\u9fff]", other.source) or not re.search(
                    r"[a-z]{4}", one.source
                )
    assert (edition / MARK).read_text() == "zh"


def test_a_language_that_nobody_has_translated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'tlh'; choose en, zh"):
        write_notebooks(tmp_path / "x", language="tlh")
    assert languages() == ("zh",)


def test_a_chinese_lesson_runs(edition: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env"]
    command += ["-p", "no:cacheprovider", "-c", "/dev/null", "02_spatial_attention.ipynb"]
    done = subprocess.run(command, cwd=edition, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_stage_brings_its_phrases(chinese: None) -> None:
    from slae_lib.explorer.stage import spoken as stage_spoken

    told: dict[str, Any] = stage_spoken()
    assert told["language"] == "zh"
    assert told["phrases"]["Undo"] == "撤销"
    assert len(json.dumps(told)) < 40_000
    assert stage_spoken("en") == {}
    assert phrases("zh", "stage").keys() < phrases("zh").keys()


def test_a_folder_is_stamped_with_what_it_was_made_from_when_all_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr(translations, "run", lambda notebook, folder, name: ran.append(name))
    monkeypatch.setattr(translations, "store", lambda notebook, path: None)
    names = [path.stem for path in PATHS]
    stamp = tmp_path / "zh" / translations.STAMP
    translations.build(tmp_path / "zh", names)
    assert ran == names
    assert stamp.read_text() == translations.made_from()
    translations.build(tmp_path / "zh", names[:1])
    assert not stamp.exists()


@pytest.mark.parametrize(
    "file", ["notebooks/zh/02_spatial_attention.md", "slae_lib/course/figures/reading_order.py"]
)
def test_the_stamp_changes_with_each_text_and_the_package(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read = translations.made_from(), Path.read_text
    assert translations.made_from() == before

    def changed(path: Path, *words: Any) -> str:
        return read(path, *words) + " " * (path == ROOT / file)

    monkeypatch.setattr(Path, "read_text", changed)
    assert translations.made_from() != before
