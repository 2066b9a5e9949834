import hashlib
import io
import os
import shutil
import struct
import time
import warnings
import zlib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from slae_lib.datasets import pictures as images
from slae_lib.datasets.depth import BadPicture
from slae_lib.datasets.find import find_pictures
from slae_lib.datasets.pictures import (
    SkippedPicture,
    decode,
    in_threads,
    read_picture,
)
from slae_lib.support.errors import LabError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
BLACK = (0, 0, 0)


def decoded(picture, kind="PNG", resolution=64, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return decode(file, resolution)


def colour(picture, x, y):
    return tuple(picture[:, y, x].tolist())


def corners(picture):
    """Colours of the four corners: top left, top right, bottom left, bottom right."""
    last = picture.shape[-1] - 1
    return [colour(picture, x, y) for x, y in ((0, 0), (last, 0), (0, last), (last, last))]


def four_colours(size=64):
    half = size // 2
    picture = Image.new("RGB", (size, size))
    for box, fill in (
        ((0, 0, half, half), RED),
        ((half, 0, size, half), GREEN),
        ((0, half, half, size), BLUE),
        ((half, half, size, size), WHITE),
    ):
        picture.paste(fill, box)
    return picture


def deep_png(row, colour_type, size=64):
    """A PNG with 16 bits per channel, written by hand: every row is the same."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", size, size, 16, colour_type, 0, 0, 0)
    rows = (b"\0" + row) * size
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_a_square_of_the_wanted_size_keeps_every_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = decoded(Image.fromarray(noise))
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 64, 64)
    assert picture.is_contiguous()
    assert torch.equal(picture, torch.from_numpy(noise).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 20),
        ("JPEG", {"quality": 95}, 20),
        ("JPEG", {"quality": 95, "progressive": True}, 20),
        ("GIF", {}, 0),
    ],
)
def test_every_format_shows_the_same_four_colours(kind, options, tolerance):
    picture = decoded(four_colours(), kind, **options)
    for found, true in zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True):
        assert max(abs(a - b) for a, b in zip(found, true, strict=True)) <= tolerance


# What a picture with each EXIF orientation has to be turned by, as its four stored corners say.
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_obeyed(kind, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert corners(decoded(four_colours(), kind, exif=exif)) == upright


def test_exif_orientation_of_a_jpeg_is_obeyed_before_the_crop():
    picture = Image.new("RGB", (64, 96), "black")
    picture.paste(RED, (0, 0, 64, 48))  # the top half
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise: the top comes to the right
    turned = decoded(picture, "JPEG", exif=exif, quality=95)
    assert colour(turned, 60, 32)[0] > 240
    assert colour(turned, 3, 32)[0] < 15


def test_damaged_exif_data_does_not_cost_the_picture():
    picture = decoded(four_colours(), "PNG", exif=b"Exif\0\0garbage!")
    assert corners(picture) == [RED, GREEN, BLUE, WHITE]


def test_grey_has_three_equal_channels():
    assert corners(decoded(Image.new("L", (64, 64), 77))) == [(77, 77, 77)] * 4


def test_black_and_white_is_black_and_white():
    picture = Image.new("1", (64, 64), 1)
    picture.paste(0, (0, 0, 32, 64))
    assert corners(decoded(picture)) == [BLACK, WHITE, BLACK, WHITE]


def test_what_is_transparent_is_white():
    assert corners(decoded(Image.new("RGBA", (64, 64), (*RED, 0)))) == [WHITE] * 4
    assert corners(decoded(Image.new("LA", (64, 64), (0, 0)))) == [WHITE] * 4
    assert corners(decoded(Image.new("RGBA", (64, 64), (*RED, 0)), "WEBP")) == [WHITE] * 4


def test_what_is_half_transparent_is_half_white():
    red, green, blue = colour(decoded(Image.new("RGBA", (64, 64), (255, 0, 0, 128))), 5, 5)
    assert red == 255
    assert green == blue
    assert abs(green - 127) <= 1
    grey = colour(decoded(Image.new("LA", (64, 64), (0, 128))), 5, 5)
    assert all(abs(value - 127) <= 1 for value in grey)


def test_a_palette_gives_its_colours_and_white_where_it_is_transparent():
    picture = Image.new("P", (64, 64), 0)
    picture.putpalette([*GREEN, *BLUE])
    picture.paste(1, (0, 0, 32, 64))
    assert corners(decoded(picture)) == [BLUE, GREEN, BLUE, GREEN]
    assert corners(decoded(picture, "GIF")) == [BLUE, GREEN, BLUE, GREEN]
    assert corners(decoded(picture, transparency=0)) == [BLUE, WHITE, BLUE, WHITE]
    assert corners(decoded(picture, "GIF", transparency=0)) == [BLUE, WHITE, BLUE, WHITE]
    by_entry = decoded(picture, transparency=bytes([0, 255]))  # one alpha for each colour
    assert corners(by_entry) == [BLUE, WHITE, BLUE, WHITE]


def test_a_palette_with_alpha_is_put_over_white():
    picture = Image.new("PA", (64, 64))
    picture.putpalette([*GREEN, *BLUE])
    picture.putdata([(1, 255)] * 2048 + [(1, 0)] * 2048)
    assert corners(decoded(picture, "TIFF")) == [BLUE, BLUE, WHITE, WHITE]


def test_one_colour_of_a_grey_or_rgb_picture_may_be_transparent():
    assert corners(decoded(Image.new("L", (64, 64), 9), transparency=9)) == [WHITE] * 4
    red = decoded(Image.new("RGB", (64, 64), RED), transparency=RED)
    assert corners(red) == [WHITE] * 4


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_printing_colours_become_screen_colours(kind):
    magenta_and_yellow = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    red, green, blue = colour(decoded(magenta_and_yellow, kind), 5, 5)
    assert red > 200
    assert green < 60
    assert blue < 60
    assert colour(decoded(Image.new("CMYK", (64, 64), (0, 0, 0, 0)), kind), 5, 5) == WHITE


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("deep", "shallow"), [(0, 0), (200, 1), (257, 1), (32767, 127), (32896, 128), (65535, 255)]
)
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind, deep, shallow):
    values = np.full((64, 64), deep, dtype=np.uint16)
    values[32:] = 65535
    assert colour(decoded(Image.fromarray(values), kind), 5, 5) == (shallow,) * 3


def test_sixteen_bit_grey_with_the_other_byte_order():
    values = np.full((64, 64), 257 * 100, dtype=">u2")
    assert colour(decoded(Image.fromarray(values), "TIFF"), 5, 5) == (100, 100, 100)


def test_sixteen_bit_grey_may_have_a_transparent_value():
    values = np.full((64, 64), 5000, dtype=np.uint16)
    values[:, 32:] = 5001  # the same once it has eight bits
    picture = decoded(Image.fromarray(values), transparency=5000)
    assert corners(picture) == [WHITE, (19, 19, 19), WHITE, (19, 19, 19)]


def test_sixteen_bit_colour_and_alpha():
    rgb = decode(deep_png(struct.pack(">HHH", 65535, 32768, 0) * 64, 2), 64)
    assert colour(rgb, 5, 5) in ((255, 127, 0), (255, 128, 0))
    rgba = decode(deep_png(struct.pack(">HHHH", 65535, 0, 0, 0) * 64, 6), 64)
    assert colour(rgba, 5, 5) == WHITE
    grey = decode(deep_png(struct.pack(">HH", 32768, 65535) * 64, 4), 64)
    assert colour(grey, 5, 5) in ((127,) * 3, (128,) * 3)


@pytest.mark.parametrize("highest", [255, 70_000, 2**31 - 1])
def test_numbers_beyond_sixteen_bits_are_refused_with_the_mend(highest):
    values = np.linspace(0, highest, 64 * 64, dtype=np.int32).reshape(64, 64)
    with pytest.raises(BadPicture, match="more than 16 bits .* save it with 8 or 16"):
        decoded(Image.fromarray(values), "TIFF")
    fraction = Image.fromarray(np.full((64, 64), 0.5, dtype=np.float32))
    with pytest.raises(BadPicture, match="floating-point numbers; save it with 8 or 16"):
        decoded(fraction, "TIFF")


@pytest.mark.parametrize("kind", [np.int32, np.uint16])
def test_a_tiff_may_say_which_number_is_white(kind):
    values = np.linspace(0, 4095, 64 * 64).astype(kind).reshape(64, 64)
    picture = decoded(Image.fromarray(values), "TIFF", tiffinfo={281: 4095})
    assert [int(picture[0].min()), int(picture[0].max())] == [0, 255]
    with pytest.raises(BadPicture, match="not all between 0 and 4094"):
        decoded(Image.fromarray(values), "TIFF", tiffinfo={281: 4094})


def test_deep_pictures_that_would_be_nearly_black_are_refused():
    twelve_bits = np.linspace(0, 3900, 64 * 64).astype(np.uint16).reshape(64, 64)
    for kind in ("PNG", "TIFF"):
        with pytest.raises(BadPicture, match=r"nearly black; stretch it"):
            decoded(Image.fromarray(twelve_bits), kind)
    with pytest.raises(BadPicture, match="nearly black"):
        decode(deep_png(struct.pack(">HHH", 4000, 200, 0) * 64, 2), 64)
    dark = Image.new("RGB", (64, 64), (9, 9, 9))  # of eight bits it is what it is
    assert colour(decoded(dark), 5, 5) == (9, 9, 9)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_frames_is_taken(kind):
    first, second = (Image.new("RGB", (64, 64), fill) for fill in (RED, BLUE))
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = decoded(first, kind, save_all=True, append_images=[second], **options)
    assert corners(picture) == [RED] * 4


@pytest.mark.parametrize("size", [(192, 64), (64, 192)])
def test_the_middle_square_is_cut_out(size):
    picture = Image.new("RGB", size, "red")
    left, top = (size[0] - 64) // 2, (size[1] - 64) // 2
    picture.paste(BLUE, (left, top, left + 64, top + 64))
    assert torch.equal(
        decoded(picture), torch.tensor(BLUE, dtype=torch.uint8)[:, None, None].expand(3, 64, 64)
    )


def test_stripes_finer_than_a_pixel_become_grey():
    stripes = np.zeros((1024, 1024), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = decoded(Image.fromarray(stripes)).float()
    assert (small - 127.5).abs().max() < 3  # without antialiasing: 0 or 255


def test_a_small_picture_is_enlarged():
    assert corners(decoded(four_colours(8))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_a_tiny_picture_is_refused(size):
    with pytest.raises(BadPicture, match=f"it is {size[0]}x{size[1]} pixels; each side .* 8"):
        decoded(Image.new("RGB", size))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_file_cut_in_the_middle_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    whole = file.getvalue()
    assert decode(io.BytesIO(whole), 64).shape == (3, 64, 64)
    with pytest.raises(BadPicture):
        decode(io.BytesIO(whole[: len(whole) // 2]), 64)


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_damaged_file_is_decoded_or_refused_and_nothing_else(kind):
    file = io.BytesIO()
    four_colours().save(file, kind)
    rng = np.random.default_rng(0)
    damaged = []
    for _ in range(40):
        content = bytearray(file.getvalue())
        for position in rng.integers(4, min(len(content), 400), 4):
            content[position] ^= int(rng.integers(1, 256))
        damaged.append(bytes(content))

    def is_decoded(content):
        try:
            return decode(io.BytesIO(content), 64).shape == (3, 64, 64)
        except BadPicture:
            return None

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcomes = in_threads(is_decoded, damaged)
    assert set(outcomes) <= {True, None}


def test_other_kinds_of_picture_are_refused():
    with pytest.raises(BadPicture, match="no JPEG, PNG, WebP"):
        decoded(Image.new("RGB", (64, 64)), "PPM")


def test_a_bomb_is_refused_from_its_header_alone(tmp_path):
    # 60,000 x 60,000 pixels, which would be 10.8 GB, in a file of a few bytes.
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    file = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    (tmp_path / "bomb.png").write_bytes(file + struct.pack(">I", 0) + b"IDAT" + bytes(4))
    with pytest.raises(BadPicture, match="more than 89 million pixels"):
        read_picture(tmp_path / "bomb.png", 64)


def test_a_picture_just_over_the_limit_is_refused_without_a_warning_of_pillow(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(images, "MAX_PIXELS", 64 * 64 - 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    four_colours().save(tmp_path / "large.png")

    def reason(path):
        with pytest.raises(BadPicture) as refused:
            read_picture(path, 64)
        return str(refused.value)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (said,) = in_threads(reason, [tmp_path / "large.png"])
    assert "million pixels" in said


def test_a_picture_that_half_the_memory_cannot_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    for pixels, refused in ((64 * 64, False), (64 * 64 - 1, True)):
        monkeypatch.setattr(images, "memory", lambda pixels=pixels: 2 * images._PIXEL * pixels)
        with pytest.raises(BadPicture, match="million") if refused else nullcontext():
            decode(content, 64)


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    inside, most = [], []
    level = images.white_level

    def slow(image: Image.Image) -> int | None:
        inside.append(image)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()
        return level(image)

    monkeypatch.setattr(images, "white_level", slow)
    monkeypatch.setattr(images, "_MAX_THREADS", 4)
    monkeypatch.setattr(images, "memory", lambda: 2 * images._PIXEL * 64 * 64)
    images.in_threads(lambda _: decode(io.BytesIO(content.getvalue()), 64), range(4))
    assert most == [1, 1, 1, 1]


def test_too_little_memory_is_no_fault_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "white_level", fail)
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    with pytest.raises(MemoryError):
        decode(content, 64)


def test_in_threads_keeps_the_order_and_passes_errors_on():
    assert in_threads(lambda number: number * 2, range(50)) == list(range(0, 100, 2))
    assert in_threads(str, []) == []
    with pytest.raises(BadPicture, match="this one"):
        in_threads(lambda _: (_ for _ in ()).throw(BadPicture("this one")), [1, 2])


def test_reading_gives_the_picture_and_the_sha256_of_the_file(tmp_path):
    four_colours().save(tmp_path / "a.png")
    picture, digest = read_picture(tmp_path / "a.png", 64)
    assert corners(picture) == [RED, GREEN, BLUE, WHITE]
    assert digest == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_reasons_name_what_is_wrong_with_the_file(tmp_path):
    def reason(name):
        with pytest.raises(BadPicture) as refused:
            read_picture(tmp_path / name, 64)
        return str(refused.value)

    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("Not a picture, whatever the name says.\n")
    assert reason("empty.png") == "it is empty"
    assert reason("text.png") == "it is no JPEG, PNG, WebP, BMP, GIF or TIFF picture"
    assert reason("missing.png") == "it is a broken link or not a regular file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadPicture, match="not a regular file"):
        read_picture(tmp_path / "pipe.png", 64)


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    four_colours().save(tmp_path / "a.png")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)  # works for root too, unlike chmod
    with pytest.raises(BadPicture, match=r"cannot be read \(Permission denied\)"):
        read_picture(tmp_path / "a.png", 64)


def test_pictures_are_found_at_every_depth_with_any_case_of_suffix(tmp_path):
    wanted = [
        "B.JPG",
        "a.PnG",
        "deep/d.gif",
        "deep/er/c.webp",
        "e.jpeg",
        "f.TIF",
        "g.tiff",
        "h.bmp",
    ]
    others = [
        ".hidden.png",
        "._a.png",
        ".cache/i.png",
        "__MACOSX/a.png",
        "deep/__MACOSX/j.png",
        "notes.txt",
        "png",
        "k.png.txt",
    ]
    for name in wanted + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_pictures(tmp_path) == wanted  # capitals sort before small letters


def test_the_folders_of_runs_are_left_out_unless_one_is_asked_for(tmp_path):
    run = tmp_path / "runs" / "faces"
    for path in (tmp_path / "a.png", run / "attention.png", run / "samples" / "0000002.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (run / "run.json").touch()
    with pytest.warns(SkippedPicture, match="faces: it is the folder of a run"):
        assert find_pictures(tmp_path) == ["a.png"]
    assert find_pictures(run) == ["attention.png", "samples/0000002.png"]


def test_pictures_of_kinds_that_are_not_read_are_said_once(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "b.HEIC", "c.svg", "sub/d.heic", ".e.heic", "f.txt", "g.json"):
        (tmp_path / name).touch()
    with pytest.warns(SkippedPicture) as caught:
        assert find_pictures(tmp_path) == ["a.png"]
    (warning,) = caught
    assert str(warning.message) == (
        f"3 files of other kinds (.heic, .svg) were left out of {tmp_path}; save them as "
        ".jpg or .png to use them."
    )
    (tmp_path / "sub" / "d.heic").unlink()
    (tmp_path / "c.svg").unlink()
    with pytest.warns(SkippedPicture, match=r"1 file of another kind \(\.heic\) was left out of"):
        find_pictures(tmp_path)


def test_links_to_folders_are_followed_and_loops_end(tmp_path):
    top, elsewhere = tmp_path / "top", tmp_path / "elsewhere"
    (top / "sub").mkdir(parents=True)
    elsewhere.mkdir()
    for path in (top / "a.png", top / "sub" / "b.png", elsewhere / "c.png", tmp_path / "no.png"):
        path.touch()
    try:
        (top / "again").symlink_to(top / "sub", target_is_directory=True)
    except OSError:
        pytest.skip("this system lets no ordinary user make links")
    (top / "linked").symlink_to(elsewhere, target_is_directory=True)
    (top / "sub" / "loop").symlink_to(top, target_is_directory=True)
    (top / "up").symlink_to(tmp_path, target_is_directory=True)
    (elsewhere / "itself").symlink_to(elsewhere, target_is_directory=True)
    assert find_pictures(top) == ["a.png", "linked/c.png", "sub/b.png"]


def test_a_folder_inside_without_permission_is_named(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.png").touch()
    scandir = os.scandir

    def forbidden(path):
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.warns(SkippedPicture, match=r"closed: it cannot be read \(Permission denied\)"):
        assert find_pictures(tmp_path) == ["a.png"]


def test_a_folder_without_permission_is_an_error(tmp_path, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(LabError, match=r"cannot be read .* change its permissions"):
        find_pictures(tmp_path)


def png_with(folder: Path, **chunks: bytes) -> Path:
    """A good picture with long chunks of text or a colour profile."""
    words = PngInfo()
    if "text" in chunks:
        words.add_itxt("parameters", chunks["text"].decode(), zip=True)
    path = folder / f"{'-'.join(chunks)}.png"
    Image.new("RGB", (64, 64), "teal").save(path, pnginfo=words, icc_profile=chunks.get("profile"))
    return path


@pytest.mark.parametrize("chunk", ["text", "profile"])
def test_long_words_in_a_png_are_no_fault(tmp_path: Path, chunk: str) -> None:
    path = png_with(tmp_path, **{chunk: b"a" * 5_000_000})
    picture, _ = read_picture(path, 64)
    assert picture[:, 32, 32].tolist() == [0, 128, 128]


@pytest.mark.parametrize("name", ["@eaDir", "$RECYCLE.BIN", "lost+found", "__MACOSX"])
def test_folders_of_the_system_are_left_out(folder: Path, name: str) -> None:
    before = find_pictures(folder)
    shutil.copytree(folder, folder / name / "inside")
    assert find_pictures(folder) == before


@pytest.mark.parametrize("name", ["a.ppm", "a.tga", "a.jp2", "a.heic", "a.ico", "A"])
def test_pictures_that_are_not_read_are_named(folder: Path, name: str) -> None:
    picture = folder / name
    if name == "A":
        Image.new("RGB", (64, 64)).save(picture, format="PNG")
    else:
        picture.touch()
    with pytest.warns(SkippedPicture, match="no suffix" if name == "A" else picture.suffix):
        assert len(find_pictures(folder)) == 3


def test_other_files_without_a_suffix_are_nobodys_business(folder: Path) -> None:
    (folder / "README").write_text("pictures of three colours")
    (folder / "notes.txt").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_pictures(folder)) == 3


def test_the_parts_of_a_set_are_not_merged_without_a_word(folder: Path) -> None:
    for part in ("train", "test"):
        (folder / part).mkdir()
        Image.new("RGB", (64, 64), "white").save(folder / part / "a.png")
    with pytest.warns(UserWarning, match=r"test and train .* taken together"):
        assert len(find_pictures(folder)) == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_pictures(folder / "train")) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system knows no named pipes")
def test_a_named_pipe_among_the_pictures_blocks_nothing(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert len(find_pictures(folder)) == 3
