"""Keep the other languages in step with the English, and build their notebooks: `make chinese`.

    python notebooks/translations.py                 # what is missing, stale or of no use
    python notebooks/translations.py --accept 02 03  # these lessons' translations are right now
    python notebooks/translations.py --build build/zh 02_spatial_attention

English is the source, and code is written once. Beside it, `zh/` holds the text of each cell
under the cell's name, and `slae_lib/course/texts/zh/` what checks, hints and figures say.
`zh/english.json` has a checksum of each English text as it was when its translation was accepted:
one that differs now is stale. The built notebooks are run, so that their figures speak Chinese.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from execute import NOTEBOOKS, NotStored, normalise, run, store

from slae_lib.course.editions import BADGE, translation, write_notebooks
from slae_lib.course.texts import stored_texts
from slae_lib.support.language import MARK

LANGUAGE = "zh"
ACCEPTED = NOTEBOOKS / LANGUAGE / "english.json"
STAMP = ".made-from"
"""A file of this name beside the built notebooks tells of what they all were made and run."""
UNTRANSLATED = ("names",)  # keys of an exercise that are no words
COMMENTED = re.compile(r'#|"""')  # code without comments has no words, either


def flat(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a table with their places in it, such as ``2.1/says/places``."""
    for key, value in table.items():
        place = f"{before}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{place}/")
        elif isinstance(value, list) and key not in UNTRANSLATED:
            yield from ((f"{place}/{index}", text) for index, text in enumerate(value))
        elif isinstance(value, str):
            yield place, value


def english(path: Path) -> dict[str, str]:
    """Return all that is to be translated of a lesson: text by cell, or by place in its table."""
    cells = nbformat.read(path, as_version=4).cells
    words = dict(flat(stored_texts(f"lesson_{path.name[:2]}")))
    for place in [p for p in words if p.endswith("/solution") and not COMMENTED.search(words[p])]:
        del words[place]
    texts = {cell.id: BADGE.sub("", cell.source) for cell in cells if cell.cell_type == "markdown"}
    return texts | words


def translated(path: Path) -> dict[str, str]:
    """Return all that is translated of a lesson, likewise."""
    cells = translation(NOTEBOOKS / LANGUAGE / f"{path.stem}.md")
    texts = {name: BADGE.sub("", text) for name, text in cells.items()}
    return texts | dict(flat(stored_texts(f"{LANGUAGE}/lesson_{path.name[:2]}")))


def checksum(text: str) -> str:
    """Return eight digits that change with the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def accepted() -> dict[str, dict[str, str]]:
    """Return by lesson the checksums of the English texts whose translations were accepted."""
    return json.loads(ACCEPTED.read_text("utf-8")) if ACCEPTED.is_file() else {}


def faults(path: Path, known: dict[str, str]) -> list[str]:
    """Return in words what of a lesson's translation is missing, stale or of no use.

    Args:
        path: the English notebook.
        known: place to the checksum of the English text whose translation was accepted.
    """
    source, other = english(path), translated(path)
    return [
        *(f"{path.stem}, {place}: has no translation" for place in source if place not in other),
        *(f"{path.stem}, {place}: is translated, and not there" for place in other.keys() - source),
        *(
            f"{path.stem}, {place}: its English text has changed since it was translated"
            for place in source.keys() & other.keys()
            if known.get(place) != checksum(source[place])
        ),
    ]


def accept(paths: list[Path]) -> None:
    """Note the English texts as they are now: their translations are right."""
    kept = accepted()
    for path in paths:
        kept[path.stem] = {place: checksum(text) for place, text in english(path).items()}
    ACCEPTED.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", "utf-8")


def made_from() -> str:
    """Return a checksum of all that the built notebooks show: their texts, and the package."""
    package = NOTEBOOKS.parent / "slae_lib"
    files = [*NOTEBOOKS.glob("*.ipynb"), *(NOTEBOOKS / LANGUAGE).iterdir()]
    files += [*package.rglob("*.py"), *package.rglob("*.toml")]
    found = {str(it.relative_to(NOTEBOOKS.parent)): checksum(it.read_text("utf-8")) for it in files}
    return checksum(json.dumps(found, sort_keys=True))


def build(folder: Path, names: list[str]) -> None:
    """Write the notebooks in the language into a folder and run them there.

    Only a folder in which all were run gets the stamp.

    Raises:
        NotStored: if one fails.
    """
    if (folder / MARK).is_file():
        files = [folder / name for name in (MARK, STAMP, "nbgrader_config.py")]
        for path in [*files, *folder.glob("*.ipynb")]:
            path.unlink(missing_ok=True)
    stamp = made_from()
    write_notebooks(folder, language=LANGUAGE)
    for path in [folder / f"{name}.ipynb" for name in names]:
        notebook = nbformat.read(path, as_version=4)
        run(notebook, folder, path.stem)
        normalise(notebook)
        store(notebook, path)
        print(path, flush=True)
    if {path.stem for path in folder.glob("*.ipynb")} == set(names):
        (folder / STAMP).write_text(stamp, "utf-8")


def main() -> int:
    """Do what the command line asks for; return 1 if a translation is not in step."""
    parser = argparse.ArgumentParser(description="Keep the other languages in step.")
    parser.add_argument("lessons", nargs="*", help="such as 02; all if none is named")
    parser.add_argument(
        "--accept", action="store_true", help="note that the translations are right"
    )
    parser.add_argument(
        "--build", type=Path, metavar="FOLDER", help="write the notebooks and run them"
    )
    given = parser.parse_args()
    all_paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    paths = [
        p for p in all_paths if not given.lessons or p.name[:2] in {n[:2] for n in given.lessons}
    ]
    if given.accept:
        accept(paths)
    if given.build:
        try:
            build(given.build, [path.stem for path in paths])
        except NotStored as error:
            print(error)
            return 1
    known = accepted()
    found = [line for path in paths for line in faults(path, known.get(path.stem, {}))]
    print("\n".join(found) or "All translations are in step with the English texts.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
