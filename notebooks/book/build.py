"""Build the book: lay its pages together and give them to Sphinx.

    python notebooks/book/build.py [FOLDER] [--page PAGE] [--chinese NOTEBOOKS]

leaves a static site in the folder (``build/book``). It runs no notebook: their stored outputs are
shown. The stage is taken from the folder PAGE (``build/page``) if it has been built, and the
Chinese lessons, which become a book of their own in ``zh/``, from ``build/zh``, likewise.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Collection
from pathlib import Path

import click
import nbformat
from formulas import fetch_katex, unpack
from lesson_pages import (
    BADGE,
    CHINESE_PROMPTS,
    CHINESE_STAGE,
    NO_STAGE,
    PROMPTS,
    STAGE,
    lesson_page,
)
from slides import REVEAL, slide_show
from sphinx.cmd.build import build_main

from slae_lib.cli import main as slae
from slae_lib.course import badge
from slae_lib.course.lessons import LESSONS
from slae_lib.support.language import MARK

BOOK = Path(__file__).parent
ROOT = BOOK.parents[1]
sys.path.insert(0, str(BOOK.parent))
from translations import STAMP, made_from  # noqa: E402

WHOLE_STAGE = """<iframe src="stage/index.html" title="The attention stage"></iframe>
<p><a href="stage/index.html">The stage in the whole window</a></p>"""
CHINESE_WHOLE_STAGE = """<iframe src="../stage/index.html?lang=zh" title="注意力舞台"></iframe>
<p><a href="../stage/index.html?lang=zh">在整个窗口里打开舞台</a></p>"""
WITHOUT_STAGE = "This copy of the book was built without it."
CHINESE_WITHOUT_STAGE = "这份书没有带上舞台。"
STAGED = {2, 3, 12}  # lessons in which the stage is embedded
TOLD = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
GITHUB = TOLD["urls"]["Repository"]

# Files of the repository that are pages of the book. (README.md is two: see `page_of`.)
PAGES = {
    "README.md": "index.md",
    "README.md#": "lab.md",
    "notebooks/README.md": "lessons/index.md",
    "notebooks/README.md#for-teachers": "teachers.md",
    "figures/results/README.md": "results.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"notebooks/{lesson.name}.ipynb": f"lessons/{lesson.name}.ipynb" for lesson in LESSONS},
}


def read(name: str) -> str:
    """Return a text file of the repository."""
    return (ROOT / name).read_text("utf-8")


def page_of(target: str) -> str | None:
    """Return the page of the book that shows a file of the repository, with its anchor."""
    path, _, anchor = target.partition("#")
    entry = re.fullmatch(r"slae_lib/(\w+?)(?:\.py)?", path.rstrip("/"))
    if entry:
        return f"api/{entry[1]}.md"
    if target in PAGES:
        return PAGES[target]
    page = PAGES.get(f"{path}#" if anchor else path, PAGES.get(path))
    return f"{page}#{anchor}" if page and anchor else page


def relink(text: str, file: str, page: str, pages: Collection[str] | None = None) -> str:
    """Let the relative links of a Markdown text lead where they should from its page.

    Args:
        text: with links as GitHub understands them.
        file: of the repository, in which the text stands.
        page: of the book, on which it will stand.
        pages: that this book has; the English book, one folder above, has the others. All if None.
    """

    def lead(link: re.Match[str]) -> str:
        words, to = link[1], link[2]
        if re.match(r"[a-z]+:|#", to):
            return link[0]
        target = os.path.normpath(Path(file).parent / to).replace(os.sep, "/")
        path = target.partition("#")[0]
        if not (ROOT / path).exists():  # code that looks like a link
            return link[0]
        if path.endswith((".png", ".webp")):
            inside: str | None = path
        else:
            inside = page_of(target)
        if inside is None:
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            return f"[{words}]({GITHUB}/{kind}/main/{target})"
        there, mark, anchor = inside.partition("#")
        if pages is not None and path.endswith((".md", ".ipynb")) and there not in pages:
            there = f"../{Path(there).with_suffix('.html')}"
            found = os.path.relpath(there, Path(page).parent).replace(os.sep, "/")
            return f'<a href="{found}{mark}{anchor}">{words}</a>'
        return f"[{words}](" + os.path.relpath(inside, Path(page).parent).replace(os.sep, "/") + ")"

    parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
    link = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]+)\)")
    return "".join(p if p.startswith("```") else link.sub(lead, p) for p in parts)


def write(source: Path, page: str, text: str) -> None:
    """Write one page."""
    (source / page).parent.mkdir(parents=True, exist_ok=True)
    (source / page).write_text(text, "utf-8")


def prose(source: Path) -> None:
    """Write the pages that are made of the repository's Markdown."""
    first, second, lab = read("README.md").partition("## Two commands")
    front = (BOOK / "index.md").read_text("utf-8")
    write(source, "index.md", relink(first, "README.md", "index.md") + front)
    write(source, "lab.md", "# Use the lab\n\n" + relink(second + lab, "README.md", "lab.md"))
    course, second, teachers = read("notebooks/README.md").partition("## For teachers")
    course = course.replace(" min |", "\u00a0min |")
    for lesson in LESSONS:
        address = BADGE.sub(r"\1", badge(lesson.name, TOLD["version"], GITHUB))
        row = rf"(^\| \[\d\d\]\({lesson.name}\.ipynb\).*\|)$"
        course = re.sub(row, rf"\1 [Colab]({address}) |", course, flags=re.MULTILINE)
    course = re.sub(r"(\| points \|)\n(\|[-|]*)", r"\1 open |\n\2---|", course)
    teachers = re.sub(r"^#(##+ )", r"\1", f"# {second[3:]}{teachers}", flags=re.MULTILINE)
    for page, text in (("lessons/index.md", course), ("teachers.md", teachers)):
        write(source, page, relink(text, "notebooks/README.md", page))
    for file in ("CONTRIBUTING.md", "figures/results/README.md"):
        write(source, PAGES[file], relink(read(file), file, PAGES[file]))


def lessons(
    source: Path, stage: str, notebooks: Path, pages: Collection[str] | None = None
) -> None:
    """Write the pages of the notebooks in a folder; ``pages`` as for `relink`."""
    for lesson in LESSONS:
        file = f"notebooks/{lesson.name}.ipynb"
        notebook = nbformat.read(notebooks / f"{lesson.name}.ipynb", 4)
        prompts = PROMPTS if pages is None else CHINESE_PROMPTS
        here = stage if lesson.number in STAGED else ""
        lesson_page(notebook, lesson.minutes, f"{GITHUB}/blob/main/{file}", here, prompts)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = relink(cell.source, file, PAGES[file], pages)
        write(source, PAGES[file], nbformat.writes(notebook))


def slides(site: Path) -> None:
    """Write the notebooks' slides, which are no pages of Sphinx."""
    files = r"(?:dist/)?(?:plugin/)?(LICENSE|reveal\.(?:js|css)|notes\.js)"
    unpack(REVEAL, files, ROOT / "build" / "npm", site / "slides" / "reveal")
    for lesson in LESSONS:
        file, page = f"notebooks/{lesson.name}.ipynb", f"slides/{lesson.name}.html"
        notebook = nbformat.reads(read(file), 4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = relink(cell.source, file, page)
        write(site, page, slide_show(notebook, lesson.title))


def api(source: Path) -> None:
    """Write one page for each entry of the package, the files of the paper first."""
    rows = re.findall(r"^\| .*\(slae_lib/.*$", read("README.md"), flags=re.MULTILINE)
    rows.sort(key=lambda row: ".py)" not in row)
    names = [name for row in rows for name in re.findall(r"\(slae_lib/(\w+)", row)]
    table = "\n".join(["| entry | holds | lesson |", "|---|---|---|", *rows])
    tree = "\n".join(["```{toctree}", ":hidden:", "", *names, "```"])
    text = (BOOK / "api.md").read_text("utf-8")
    write(
        source, "api/index.md", f"{text}\n{relink(table, 'README.md', 'api/index.md')}\n\n{tree}\n"
    )
    for name in names:
        if name == "cli":
            write(source, "api/cli.md", commands())
            continue
        parts = [f"slae_lib.{name}"]
        for file in sorted((ROOT / "slae_lib" / name).rglob("*.py")):
            if file.name != "__init__.py" and not file.stem.startswith("lesson_"):
                inside = file.relative_to(ROOT).with_suffix("")
                parts.append(".".join(inside.parts))
        blocks = [
            f"{'#' if part == parts[0] else '##'} {part}\n\n"
            f"```{{eval-rst}}\n.. automodule:: {part}\n```\n"
            for part in parts
        ]
        write(source, f"api/{name}.md", "\n".join(blocks))


def commands() -> str:
    """Return the page of the command ``slae``: what each command says of itself."""
    text = ["# slae_lib.cli\n\nThe command `slae`, as it explains itself.\n"]

    def add(command: click.Command, path: str, level: int) -> None:
        context = click.Context(command, info_name=path, terminal_width=88, max_content_width=88)
        text.append(f"{'#' * level} {path}\n\n```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                add(child, f"{path} {name}", min(level + 1, 3))

    add(slae, "slae", 2)
    return "\n".join(text)


def chinese_pages(source: Path, stage: str, notebooks: Path) -> list[str]:
    """Write the pages of the Chinese book and return their names."""
    pages = ["index.md", "stage.md", *(PAGES[f"notebooks/{it.name}.ipynb"] for it in LESSONS)]
    text = re.sub(r"\]\((\d\d_\w+)\.md\)", r"](../\1.ipynb)", read("notebooks/zh/README.md"))
    front = relink(text, "notebooks/zh/README.md", "index.md", pages)
    write(source, "index.md", front + (BOOK / "index.zh.md").read_text("utf-8"))
    lessons(source, stage, notebooks, pages)
    return pages


def is_current(notebooks: Path) -> bool:
    """Return whether translated lessons were made and run from what this checkout holds."""
    stamp = notebooks / STAMP
    return stamp.is_file() and stamp.read_text("utf-8") == made_from()


def build(folder: Path, page: Path, chinese: Path) -> int:
    """Build the book into a folder, which is replaced when all has gone well; return 0 if so.

    Raises:
        SystemExit: where the folder holds something else, the formulas cannot be set, or the
            Chinese lessons are not those of this checkout.
    """
    folder = folder.resolve()
    if (chinese / MARK).exists() and not is_current(chinese):
        raise SystemExit(
            f"The lessons in {chinese} were not all run, or are of other texts or another package: "
            "run `make chinese` again, or delete that folder for a book in English alone."
        )
    if folder.exists() and any(folder.iterdir()) and not (folder / "objects.inv").exists():
        raise SystemExit(f"{folder} holds something that is not this book: name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="book-", dir=folder.parent) as temporary:
        source, site = Path(temporary, "source"), Path(temporary, "site")
        staged, other = (page / "index.html").exists(), Path(temporary, "zh")
        stage = STAGE if staged else NO_STAGE
        both: list[str] = []
        if (chinese / MARK).exists():
            both = chinese_pages(other, CHINESE_STAGE if staged else "", chinese)
        prose(source)
        lessons(source, stage, ROOT / "notebooks")
        api(source)
        names = ",".join(name.rpartition(".")[0] for name in both)
        code = site_of(source, site, "en", WHOLE_STAGE if staged else WITHOUT_STAGE, names)
        if both and code == 0:
            whole = CHINESE_WHOLE_STAGE if staged else CHINESE_WITHOUT_STAGE
            code = site_of(other, site / "zh", "zh_CN", whole, names)
        if code == 0:
            slides(site)
            if staged:
                shutil.copytree(page, site / "stage")
            shutil.rmtree(folder, ignore_errors=True)
            site.rename(folder)
            print(f"The book is in {folder}: open its index.html, or serve the folder.")
    return code


def site_of(source: Path, site: Path, language: str, stage: str, both: str) -> int:
    """Let Sphinx make a site of the pages in ``source``; return 0 if all went well.

    Args:
        source: gets what is the same in all languages.
        site: the folder of the site.
        language: as Sphinx calls it.
        stage: HTML, or words in place of it, for the page of the stage.
        both: names of the pages that both languages have, with commas between them.
    """
    static, face = source / "_static", source / "_static" / "face.webp"
    fetch_katex(ROOT / "build" / "npm", static / "katex")
    shutil.copy(BOOK / "book.css", static)
    shutil.copy(ROOT / "data" / "fluent_faces" / "1f60a.webp", face)
    shutil.copytree(ROOT / "figures", source / "figures", ignore=shutil.ignore_patterns("*.md"))
    words = "stage.md" if language == "en" else "stage.zh.md"
    write(source, "stage.md", (BOOK / words).read_text("utf-8") + stage)
    options = ["-W", "--keep-going", "-q", "-c", str(BOOK), "-d", str(source.with_suffix(".read"))]
    options += [f"-Dhtml_static_path={static}", f"-Dhtml_logo={face}", f"-Dhtml_favicon={face}"]
    options += [f"-Dlanguage={language}", f"-Aboth={both}"]
    code = build_main([*options, str(source), str(site)])
    if code == 0 and language != "en":  # Sphinx names a stemmer for Chinese and brings the English
        data = site / "_static" / "language_data.js"
        data.write_text(
            data.read_text("utf-8").replace("ChineseStemmer", "EnglishStemmer"), "utf-8"
        )
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the book.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "book")
    parser.add_argument("--page", type=Path, default=ROOT / "build" / "page")
    parser.add_argument("--chinese", type=Path, default=ROOT / "build" / "zh")
    given = parser.parse_args()
    sys.exit(build(given.folder, given.page, given.chinese))
