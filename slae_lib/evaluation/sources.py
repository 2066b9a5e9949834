"""Where the images come from that are measured: a generator, a data set, a folder.

All of them give images by their numbers, so that no measurement has to hold all at once.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from slae_lib.datasets import ImageSet, load_images
from slae_lib.datasets.depth import is_deep_grey, to_eight_bits, white_level
from slae_lib.support.errors import LabError
from slae_lib.training.sampling import GeneratedImages


class FolderImages:
    """The pictures of a folder at their own sizes, converted to RGB and otherwise untouched.

    This is how `pytorch-fid` reads a folder, but for grey of 16 bits, which it would clip to white
    and which is scaled to 8 bits here. Training sees pictures differently: upright, over
    white, cut to the middle square and resized (`slae_lib.datasets.load_images`).

    Args:
        data: a folder, or the name of a data set that has been fetched.

    Raises:
        LabError: if there is no folder, or it has fewer than two usable pictures.

    Warns:
        SkippedPicture: once for every file that cannot be used.
    """

    resolution = None

    def __init__(self, data: str | Path) -> None:
        checked = load_images(data, 64)  # finds and checks the files; these pixels are not used
        assert checked.folder is not None
        self.folder = checked.folder
        self.name = checked.name
        self.names = checked.names
        self.fingerprint = checked.fingerprint

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int] | Tensor) -> Tensor:
        """Return the pictures at ``indices``, which must be of one size: uint8 (B, 3, H, W)."""
        return torch.stack([self._read(index) for index in torch.as_tensor(indices).tolist()])

    def _read(self, index: int) -> Tensor:
        path = self.folder / self.names[index]
        try:
            with Image.open(path) as picture:
                white = white_level(picture)
                shallow: Image.Image = picture
                if white is not None and is_deep_grey(picture):  # which Pillow clips to white
                    shallow = to_eight_bits(picture, white)
                pixels = torch.from_numpy(np.array(shallow.convert("RGB")))  # (H, W, 3)
        except Exception as error:  # Pillow has many names for a damaged file
            raise LabError(
                f"{path} cannot be read at its own size ({error}); mend it, or give --resolution."
            ) from error
        return pixels.permute(2, 0, 1).contiguous()


StoredImages = ImageSet | FolderImages
"""Images that lie in files, with names and a fingerprint: what is derived from them is kept."""
Images = StoredImages | GeneratedImages
"""What can be measured. Each has a name, a ``resolution`` (the side length of all images; None if
each has a size of its own), a length, and ``batch(indices)``, uint8 (B, 3, H, W)."""
