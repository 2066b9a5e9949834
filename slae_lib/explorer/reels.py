"""Frames to a file that plays: GIF, WebP, or MP4 by ffmpeg."""

import contextlib
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, check_writable
from slae_lib.support.progress import progress_bar

KINDS = (".webp", ".gif", ".mp4")
FASTEST = 50
"""Frames in a second: browsers play a GIF that is faster at a tenth of its speed."""
_LOOKED_AT = 12  # frames that the colours of a GIF are chosen from
_WHITE = 245  # and what is as bright is white in it, or the page would be tinted


def check_reel(path: Path, frames: int, seconds: float) -> None:
    """Refuse a film that `write_reel` cannot write, before it is drawn.

    Raises:
        UsageError: for another suffix than `KINDS`, or more frames than `FASTEST` a second.
        LabError: if the file cannot be written, or there is no ffmpeg for an MP4.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(
            f"{path} would be a film of an unknown kind; let its name end in {', '.join(KINDS)}."
        )
    if not frames <= FASTEST * seconds:  # nor if that is no number
        raise UsageError(
            f"{frames} frames in {seconds:g} seconds are more than the {FASTEST} a second that "
            "every program shows; take fewer --frames or more --seconds."
        )
    check_writable(path)
    if path.suffix.lower() == ".mp4":
        _ffmpeg(path)


def write_reel(path: Path, frames: Iterator[Image.Image], count: int, seconds: float) -> None:
    """Write frames as a film that repeats without end, atomically.

    Args:
        path: its suffix says the kind.
        frames: of one size, as they come.
        count: how many.
        seconds: how long one round takes.

    Raises:
        LabError: if it cannot be written.
    """
    kind = path.suffix.lower()
    with progress_bar(frames, "writing", count, unit="frame") as bar, atomic_write(path) as file:
        if kind == ".mp4":
            _write_mp4(path, file, iter(bar), count / seconds)
            return
        # The end of each frame in steps of the format, so that no rounding adds up.
        step = 10 if kind == ".gif" else 1
        ends = [step * round(1000 * seconds * frame / count / step) for frame in range(count + 1)]
        shown = [end - begin for begin, end in itertools.pairwise(ends)]
        if kind == ".gif":
            first, *others = _in_few_colours(list(bar))
            options: dict[str, Any] = {"format": "GIF", "optimize": False}
        else:
            first, *others = bar
            options = {"format": "WEBP", "quality": 88, "method": 4}
        first.save(file, save_all=True, append_images=others, duration=shown, loop=0, **options)


def _in_few_colours(frames: list[Image.Image]) -> list[Image.Image]:
    """Return frames with 256 colours, the same for all: what stands still may not flicker."""
    width, height = frames[0].size
    looked_at = frames[:: -(-len(frames) // _LOOKED_AT)]
    strip = Image.new("RGB", (width, height * len(looked_at)))
    for place, frame in enumerate(looked_at):
        strip.paste(frame, (0, place * height))
    palette = strip.quantize(256)
    values = palette.getpalette() or []
    colours = [values[place : place + 3] for place in range(0, len(values), 3)]
    white = [[255] * 3 if min(colour) >= _WHITE else colour for colour in colours]
    palette.putpalette(list(itertools.chain(*white)))
    # Without dithering, whose grain would crawl.
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def _write_mp4(path: Path, file: Path, frames: Iterator[Image.Image], pace: float) -> None:
    """Let ffmpeg write a film; H.264 wants even sides, so a white line is added where it must."""
    first = next(frames)
    size = f"{first.width}x{first.height}"
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{pace:.6f}", "-i", "-"]
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]
    command = [_ffmpeg(path), "-y", "-loglevel", "error", *given, *even]
    command += ["-movflags", "+faststart", "-f", "mp4", str(file)]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said) as process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
                for frame in itertools.chain([first], frames):
                    process.stdin.write(frame.tobytes())
                process.stdin.close()
        said.seek(0)
        words = said.read().decode(errors="replace").strip().splitlines()
    if process.returncode:
        reason = words[-1] if words else f"exit code {process.returncode}"
        raise LabError(
            f"ffmpeg could not write {path} ({reason}); write {path.with_suffix('.webp')} instead."
        )


def _ffmpeg(path: Path) -> str:
    found = shutil.which("ffmpeg")
    if found is None:
        raise LabError(
            f"{path} needs the program ffmpeg, which is not found; install it, or write "
            f"{path.with_suffix('.webp')}."
        )
    return found
