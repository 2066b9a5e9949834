"""Pictures as tensors: between uint8 and [-1, 1], and many of them on one sheet."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """Map uint8 pictures to float32 in [-1, 1]; any shape."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Map pictures in [-1, 1] to uint8, rounded to the nearest and clamped; any shape."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def resized(images: Tensor, side: int) -> Tensor:
    """Bring pictures (B, C, H, W), floating point, to ``side`` x ``side``, without aliasing."""
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)


def to_picture(image: Tensor) -> Image.Image:
    """Return an image, uint8 (3, H, W), as one of Pillow's."""
    return Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


def image_grid(images: Tensor, columns: int | None = None, frame: int = 0) -> Image.Image:
    """Return images side by side, with white lines of 2 px between them.

    Args:
        images: uint8 (N, 3, R, R).
        columns: images in a row; a square grid when not given.
        frame: px of white around all of them, 2 at most.
    """
    columns = columns or math.ceil(math.sqrt(len(images)))
    step = images.shape[-1] + 2
    width, height = columns * step - 2, math.ceil(len(images) / columns) * step - 2
    grid = Image.new("RGB", (width + 2 * frame, height + 2 * frame), "white")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        grid.paste(to_picture(image), (frame + column * step, frame + row * step))
    return grid


def grid_cells(sheet: Image.Image, count: int) -> Tensor:
    """Return the images of a square `image_grid`: uint8 (N, 3, R, R)."""
    columns = math.ceil(math.sqrt(count))
    side = (sheet.width + 2) // columns - 2
    pixels = torch.from_numpy(np.array(sheet.convert("RGB"))).permute(2, 0, 1)
    cells = pixels.unfold(1, side, side + 2).unfold(2, side, side + 2)  # (3, rows, columns, R, R)
    return cells.flatten(1, 2)[:, :count].transpose(0, 1).contiguous()
