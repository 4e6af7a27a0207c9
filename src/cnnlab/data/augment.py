"""Augmentation of whole batches of uint8 images: a draw for each sample, pixels moved by one indexing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.errors import UserError

Fill = Literal["constant", "edge", "reflect"]
GRID_PADDING = {"constant": "zeros", "edge": "border", "reflect": "reflection"}


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What may be done to a training image; every sample of a batch gets a draw of its own.

    The order is Keras's: shift or crop, then flips, then rotation, then cutout.

    Args:
        horizontal_flip: mirror left and right, in half of the cases.
        vertical_flip: mirror top and bottom, in half of the cases.
        shift: largest shift, as a fraction of the side (a float below 1) or in pixels (an integer);
            one number for both directions or ``[vertical, horizontal]``. Whole pixels are drawn.
        fill: what comes in at the border: ``constant`` (black), ``edge`` (the border pixel again) or
            ``reflect`` (mirrored, the border pixel again: ``dcba|abcd|dcba``), as Keras's
            ``constant``, ``nearest`` and ``reflect``.
        crop_padding: pad by so many black pixels and crop at random to the old size (He et al. 2016).
        rotation: largest angle in degrees, bilinear.
        cutout: side in pixels of one black square per image (DeVries and Taylor 2017); 0 is none.

    Raises:
        UserError: for a value out of range, or shift together with crop_padding.

    Examples:
        >>> augment = Augment(horizontal_flip=True, shift=0.1)
        >>> images = torch.zeros(100, 32, 32, 3, dtype=torch.uint8)
        >>> augment(images, torch.arange(8), torch.Generator().manual_seed(0)).shape
        torch.Size([8, 32, 32, 3])
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    shift: float | int | Sequence[float | int] = 0
    fill: Fill = "edge"
    crop_padding: int = 0
    rotation: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        shifts = self.shift if isinstance(self.shift, Sequence) else [self.shift]
        if len(shifts) not in (1, 2) or any(s < 0 for s in shifts):
            raise UserError(f"data.augment.shift={self.shift}: one number or two, none of them negative.")
        if any(isinstance(s, float) and s >= 1 for s in shifts):
            raise UserError(
                f"data.augment.shift={self.shift}: a fraction is below 1; pixels are written without a point."
            )
        if self.crop_padding and any(shifts):
            raise UserError("data.augment: shift and crop_padding exclude each other; set one of them to 0.")
        for name in ("crop_padding", "cutout", "rotation"):
            if getattr(self, name) < 0:
                raise UserError(f"data.augment.{name}={getattr(self, name)}: it cannot be negative.")
        if self.fill not in GRID_PADDING:
            raise UserError(f"data.augment.fill={self.fill}: allowed are {', '.join(GRID_PADDING)}.")

    @property
    def active(self) -> bool:
        """Whether anything would be changed at all."""
        return self != Augment(fill=self.fill)

    def largest_shift(self, height: int, width: int) -> tuple[int, int]:
        """Largest shift in whole pixels, vertical and horizontal, for images of this size."""
        if self.crop_padding:
            return self.crop_padding, self.crop_padding
        shifts = list(self.shift) if isinstance(self.shift, Sequence) else [self.shift]
        vertical, horizontal = shifts if len(shifts) == 2 else shifts * 2
        return (
            round(vertical * height) if isinstance(vertical, float) else vertical,
            round(horizontal * width) if isinstance(horizontal, float) else horizontal,
        )

    def __call__(self, images: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take the samples ``rows`` out of all ``images``, augmented.

        Args:
            images: all images, uint8 ``(n, height, width, channels)``, contiguous.
            rows: int64 row numbers of the batch, shape ``(batch,)``, on the device of ``images``.
            generator: on the CPU, whatever the device, so that a batch is the same on each.

        Returns:
            uint8 ``(batch, height, width, channels)``.
        """
        batch, (height, width) = len(rows), images.shape[1:3]
        if not self.active:
            return images.index_select(0, rows)
        vertical, horizontal = self.largest_shift(height, width)
        down = _whole_numbers(vertical, batch, generator)
        right = _whole_numbers(horizontal, batch, generator)
        up_down = _coin(self.vertical_flip, batch, generator)
        left_right = _coin(self.horizontal_flip, batch, generator)
        fill: Fill = "constant" if self.crop_padding else self.fill
        out = move(images, rows, down, right, up_down, left_right, fill)
        if self.rotation:
            angles = (torch.rand(batch, generator=generator) * 2 - 1) * self.rotation
            out = rotate(out, angles.to(out.device), self.fill)
        if self.cutout:
            centres = torch.rand(batch, 2, generator=generator)
            out = cut_out(out, centres.to(out.device), self.cutout)
        return out


def _whole_numbers(largest: int, batch: int, generator: torch.Generator) -> Tensor | None:
    if not largest:
        return None
    return torch.randint(-largest, largest + 1, (batch, 1), generator=generator)


def _coin(wanted: bool, batch: int, generator: torch.Generator) -> Tensor | None:
    return torch.rand(batch, 1, generator=generator) < 0.5 if wanted else None


def _sources(
    size: int, offset: Tensor | None, flip: Tensor | None, fill: Fill
) -> tuple[Tensor, Tensor | None]:
    """Where each pixel of a line comes from, ``(1 or batch, size)``, and which lie outside."""
    line = torch.arange(size).unsqueeze(0)
    if flip is not None:
        line = torch.where(flip, size - 1 - line, line)
    if offset is None:
        return line, None
    line = line - offset
    if fill == "edge":
        return line.clamp_(0, size - 1), None
    if fill == "reflect":
        line = line.remainder_(2 * size)
        return torch.minimum(line, 2 * size - 1 - line), None
    outside = (line < 0) | (line >= size)
    return line.clamp_(0, size - 1), outside


def move(
    images: Tensor,
    rows: Tensor,
    down: Tensor | None,
    right: Tensor | None,
    up_down: Tensor | None,
    left_right: Tensor | None,
    fill: Fill,
) -> Tensor:
    """Shift, then flip, the samples ``rows`` of ``images``, in one indexing of the whole array.

    Args:
        images: uint8 ``(n, height, width, channels)``, contiguous.
        rows: int64 ``(batch,)``.
        down: pixels that the content moves down, int64 ``(batch, 1)``; None is no shift.
        right: pixels that the content moves to the right, likewise.
        up_down: which samples to mirror top and bottom, bool ``(batch, 1)``; None is none.
        left_right: which samples to mirror left and right, likewise.
        fill: see :class:`Augment`.

    Returns:
        uint8 ``(batch, height, width, channels)``.
    """
    n, height, width, channels = images.shape
    lines, outside_lines = _sources(height, down, up_down, fill)
    columns, outside_columns = _sources(width, right, left_right, fill)
    device = images.device
    lines, columns = lines.to(device) * width, columns.to(device)
    pixels = ((rows * (height * width)).unsqueeze(1) + lines).unsqueeze(2) + columns.unsqueeze(1)
    flat = images.view(n * height * width, channels)
    if channels == 1:
        out = torch.gather(flat.view(-1), 0, pixels.view(-1))
    else:
        out = flat.index_select(0, pixels.view(-1))
    out = out.view(len(rows), height, width, channels)
    if outside_lines is not None:
        out.masked_fill_(outside_lines.to(device)[:, :, None, None], 0)
    if outside_columns is not None:
        out.masked_fill_(outside_columns.to(device)[:, None, :, None], 0)
    return out


def rotate(images: Tensor, degrees: Tensor, fill: Fill) -> Tensor:
    """Rotate each image about its centre, bilinear.

    Args:
        images: uint8 ``(batch, height, width, channels)``.
        degrees: float32 ``(batch,)``, counter-clockwise as one looks at the picture.
        fill: see :class:`Augment`.

    Returns:
        uint8 of the same shape.
    """
    _, height, width, _ = images.shape
    angle = torch.deg2rad(degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack(
        [
            torch.stack([cos, -sin * height / width, zero], 1),
            torch.stack([sin * width / height, cos, zero], 1),
        ],
        1,
    )
    pixels = images.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    turned = F.grid_sample(pixels, grid, padding_mode=GRID_PADDING[fill], align_corners=False)
    return turned.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def cut_out(images: Tensor, centres: Tensor, side: int) -> Tensor:
    """Blacken one square in each image; it may reach over the border, as in the paper.

    Args:
        images: uint8 ``(batch, height, width, channels)``; changed in place.
        centres: float32 ``(batch, 2)`` in ``[0, 1)``: vertical and horizontal position of the centre.
        side: side of the square in pixels.
    """
    _, height, width, _ = images.shape

    def inside(centre: Tensor, size: int) -> Tensor:
        first = (centre * size).floor().long() - side // 2
        line = torch.arange(size, device=images.device)
        return (line >= first[:, None]) & (line < first[:, None] + side)

    hole = inside(centres[:, 0], height)[:, :, None] & inside(centres[:, 1], width)[:, None, :]
    return images.masked_fill_(hole.unsqueeze(-1), 0)
