"""Pictures as tensors: between uint8 and [-1, 1], and many of them on one sheet."""

import math

import torch
from PIL import Image
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """Map uint8 pictures to float32 in [-1, 1]; any shape."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Map pictures in [-1, 1] to uint8, rounded to the nearest and clamped; any shape."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def image_grid(images: Tensor, columns: int | None = None) -> Image.Image:
    """Return images side by side, with white lines of 2 px between them.

    Args:
        images: uint8 (N, 3, R, R).
        columns: images in a row; a square grid when not given.
    """
    count = len(images)
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    side = images.shape[-1] + 2
    sheet = torch.full((3, rows * side - 2, columns * side - 2), 255, dtype=torch.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = row * side, column * side
        sheet[:, top : top + side - 2, left : left + side - 2] = image
    return Image.fromarray(sheet.permute(1, 2, 0).numpy())


def grid_cells(sheet: Image.Image, count: int) -> Tensor:
    """Return the images of a square `image_grid`: uint8 (N, 3, R, R)."""
    columns = math.ceil(math.sqrt(count))
    side = (sheet.width + 2) // columns
    pixels = torch.frombuffer(bytearray(sheet.convert("RGB").tobytes()), dtype=torch.uint8)
    pixels = pixels.reshape(sheet.height, sheet.width, 3).permute(2, 0, 1)
    cells = []
    for index in range(count):
        row, column = divmod(index, columns)
        top, left = row * side, column * side
        cells.append(pixels[:, top : top + side - 2, left : left + side - 2])
    return torch.stack(cells)
