"""Pictures inside of a page: as text, and small enough."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
LARGEST = 3_500_000  # bytes of all pictures of a page; as text they are a third more, of 5 MB
SMALLEST_WIDTH = 600  # pixels
COLOURS = 128
PIXELS = 50_000_000
PER_INCH = 1.5  # pixels of a figure for one of the page


@dataclass(frozen=True)
class Picture:
    """A figure of a page.

    Args:
        name: of the figure.
        caption: what is to be seen.
        light: PNG file.
        dark: the same for a dark page.
    """

    name: str
    caption: str
    light: bytes
    dark: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.light) + len(self.dark or b"")


def is_png(content: bytes) -> bool:
    """Whether a file begins as a PNG does, with its size.

    Examples:
        >>> is_png(b"<svg>"), is_png(PNG)
        (False, False)
    """
    return content.startswith(PNG) and content[12:16] == b"IHDR" and len(content) > 33


def shown_width(png: bytes) -> int:
    """How wide a figure is shown, in pixels of a page."""
    return round(int.from_bytes(png[16:20], "big") / PER_INCH)


def as_data_uri(png: bytes) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def fitting(pictures: Sequence[Picture], largest: int = LARGEST) -> list[Picture]:
    """Make pictures fit into a page: fewer colours first, then fewer pixels; then those that are last go.

    Args:
        pictures: the most important first.
        largest: bytes of all.

    Returns:
        They, or as many as there is room for.
    """
    found = list(pictures)
    for width in (None, 1200, 900, SMALLEST_WIDTH):
        if sum(one.size for one in found) <= largest:
            return found
        found = [smaller for one in found if (smaller := _smaller(one, width)) is not None]
    while sum(one.size for one in found) > largest:
        found.pop()
    return found


def _smaller(picture: Picture, width: int | None) -> Picture | None:
    """A picture of fewer colours and at most this width; None of what is no picture."""
    try:
        dark = None if picture.dark is None else _reduced(picture.dark, width)
        return replace(picture, light=_reduced(picture.light, width), dark=dark)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _reduced(png: bytes, width: int | None) -> bytes:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        if image.width * image.height > PIXELS:
            raise ValueError("too many pixels")
        drawn = image.convert("RGB")
    if width is not None and drawn.width > width:
        drawn = drawn.resize((width, round(drawn.height * width / drawn.width)), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    drawn.quantize(COLOURS).save(written, format="png", optimize=True)
    return min(png, written.getvalue(), key=len) if width is None else written.getvalue()
