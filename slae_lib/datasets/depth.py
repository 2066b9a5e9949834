"""Pictures of more than eight bits: which number is white, and how they get eight.

Pillow clips grey of 16 bits at 255, and takes the high byte of colours. Both turn a picture whose
numbers do not fill their bits, from a microscope or a camera of 12 bits, black or white.
"""

import numpy as np
from PIL import Image

_BITS, _HIGHEST, _FORMAT = 258, 281, 339  # tags of TIFF: BitsPerSample and so on
_REAL = 3  # a SampleFormat
DARKEST = 16
"""A deep picture that reaches nowhere this level of 255 is refused."""


class BadPicture(Exception):
    """A file cannot be used as a picture; the message is the reason, as half a sentence."""


def is_deep_grey(image: Image.Image) -> bool:
    """Return whether Pillow would clip the picture rather than scale it."""
    return image.mode == "I" or image.mode.startswith("I;16")


def white_level(image: Image.Image) -> int | None:
    """Return the number that is white in an opened picture of more than eight bits, else None.

    Raises:
        BadPicture: if the file does not say it.
    """
    tags = getattr(image, "tag_v2", {})
    bits = max(tags.get(_BITS, (1,)))
    if image.mode == "F" or (bits > 8 and _REAL in tags.get(_FORMAT, ())):
        raise BadPicture("its pixels are floating-point numbers; save it with 8 or 16 bits")
    deep = is_deep_grey(image) or any("16" in str(t[3]) for t in getattr(image, "tile", ()))
    if not deep and bits <= 8:
        return None
    highest = np.max(tags.get(_HIGHEST, 0))
    if highest > 0:
        return int(highest)
    if bits > 16:
        raise BadPicture(
            "its pixels have more than 16 bits and it does not say which number is white; save it "
            "with 8 or 16 bits"
        )
    return 65535


def to_eight_bits(image: Image.Image, white: int) -> Image.Image:
    """Scale a deep grey picture to eight bits (mode L); what is transparent gets white.

    Args:
        image: of mode I or I;16.
        white: the number that becomes 255.

    Raises:
        BadPicture: if a pixel is below 0 or above ``white``.
    """
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > white:
        raise BadPicture(f"its pixels are not all between 0 and {white}; save it with 8 or 16 bits")
    grey = (values * 255 + white // 2) // white  # rounded to the nearest
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey.astype(np.uint8))


def check_brightness(image: Image.Image) -> None:
    """Refuse a picture, of eight bits now, whose numbers did not fill the bits they had.

    Raises:
        BadPicture: if it is nearly black all over.
    """
    extrema = np.ravel(image.getextrema())
    if extrema.max() < DARKEST:
        raise BadPicture(
            "its numbers use a small part of their 16 bits, so that it would be nearly black; "
            "stretch it, or save it with 8 bits"
        )
