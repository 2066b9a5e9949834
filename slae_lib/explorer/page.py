"""The stage as a static page: one folder that any server of files can serve.

    python -m slae_lib.explorer.page build/page

The generators that come with the lab become ONNX, and ``onnxruntime-web`` comes from npm, in the
one version whose checksum stands here. The page asks for nothing outside its folder.
"""

import base64
import hashlib
import html
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from slae_lib.explorer.faces import Faces, webp
from slae_lib.explorer.onnx import export_onnx
from slae_lib.explorer.pictures import TrainingPictures
from slae_lib.explorer.scene import make_scene, view_of
from slae_lib.explorer.source import Source
from slae_lib.explorer.stage import as_dict, describe, spoken
from slae_lib.plotting.base import to_pixels
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write, stored_file
from slae_lib.support.language import languages


class Package(NamedTuple):
    """One version of a package of npm, and its SHA-512 as base64."""

    name: str
    version: str
    sha512: str


RUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)

_NEEDED = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_OWN = ("stage.js", "stage.css", "page.js", "worker.js")
_HERE = Path(__file__).parent
STORED = {"64": ("demo", "64 px"), "128": ("fluent-128", "128 px")}
_BEGIN: dict[str, Any] = {
    "seed": 3,
    "picture": "1f622.webp",
    "second_picture": "1f606.webp",
    "second_seed": 8,
}


def build_page(out: Path, runs: Mapping[str, tuple[Path, str]], package: Path) -> Path:
    """Write the page into the folder ``out``; what lies there already is replaced.

    Args:
        out: the folder.
        runs: name of a folder of the page to a run and its title.
        package: the packed `RUNTIME`.

    Raises:
        LabError: if a run, the package or a package of the extra ``onnx`` cannot be had.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "ort").mkdir(exist_ok=True)
    with tarfile.open(package) as archive:
        for name in _NEEDED:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None  # its checksum says that it is there
            _write(out / "ort" / name, member.read())
    for name in _OWN:
        shutil.copyfile(_HERE / name, out / name)
    for other in languages():
        _write(out / f"{other}.json", json.dumps(spoken(other)).encode())
    for name, (run, _) in runs.items():
        _write_run(out / name, Source(run))
    buttons = "".join(
        f'<button type="button" value="{name}">{html.escape(title)}</button>'
        for name, (_, title) in runs.items()
    )
    text = (_HERE / "page.html").read_text("utf-8")
    text = text.replace("{tabs}", buttons).replace("{first}", next(iter(runs)))
    _write(out / "index.html", text.encode())
    return out


def _write_run(folder: Path, source: Source) -> None:
    """Write everything about one run: model, metadata, pictures, and what the stage is told."""
    folder.mkdir(exist_ok=True)
    generator = source.generator(next(iter(source.files)))
    if generator.config.noise_dim % 16:
        raise LabError(
            f"{source.path} takes {generator.config.noise_dim} numbers of noise, and the page "
            "draws multiples of 16; train with another --noise-dim."
        )
    view = view_of(source)
    about = describe(source)
    about["generators"] = about["generators"][:1]
    if source.bank is not None:
        known = {
            name: value
            for name, value in _BEGIN.items()
            if not isinstance(value, str) or value in source.bank.names
        }
        view = view_of(source, view, **known, link=about["links"][0]["name"])
        faces = Faces(source.bank, TrainingPictures(source.bank, source.data))
        about |= faces.described()
        _write(folder / "faces.webp", faces.sheet())
        rows = source.bank.rows(scale=source.scale).contiguous()
        _write(folder / "metadata.bin", rows.numpy().tobytes())
    about["view"] = as_dict(view)
    picture = Image.fromarray(to_pixels(make_scene(view, source).image))
    _write(folder / "first.webp", webp(picture))
    _write(folder / "about.json", json.dumps(about).encode())
    export_onnx(generator, folder / "generator.onnx")


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def packed(package: Package, folder: Path) -> Path:
    """Return a packed package in ``folder``, fetched with npm where it is missing.

    Raises:
        LabError: if npm is missing or has failed, or the package is not the one that was meant.
    """
    name, version, sha512 = package
    file = folder / f"{name}-{version}.tgz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"{name}@{version}", "--silent"]
        command += ["--pack-destination", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
            raise LabError(
                f"{name} {version} could not be fetched with npm ({reason[:160]}); install npm, or "
                f"put {file.name} into {folder}."
            ) from None
    if base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode() != sha512:
        raise LabError(f"{file} is not the package that was meant; delete it and try again.")
    return file


def main(out: Path) -> None:
    """Build the page of the stored generators into ``out``."""
    runs = {name: (stored_file(run), title) for name, (run, title) in STORED.items()}
    found = {name: (run, title) for name, (run, title) in runs.items() if run is not None}
    build_page(out, found, packed(RUNTIME, out.parent / "npm"))
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(
        f"{out / 'index.html'}  {size / 1e6:.1f} MB; serve it with: python -m http.server -d {out}"
    )


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/page"))
    except LabError as problem:
        sys.exit(str(problem))
