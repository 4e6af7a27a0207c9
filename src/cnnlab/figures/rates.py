"""How the loss answers to a rising learning rate."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.style import BLACK, BLUE, TEXT_SIZE, TITLE_SIZE, VERMILION, new_figure, quiet_axes

Floats = NDArray[np.floating[Any]]

HIGHEST_SHOWN = 3.0  # times the first loss: beyond, a diverging loss would flatten all that matters


def learning_rate_range(
    rates: Floats, losses: Floats, smoothed: Floats, suggestion: float | None = None, *, title: str = ""
) -> Figure:
    """Draw the training loss against the rate of each step, and mark a suggested rate.

    Smith, Cyclical Learning Rates for Training Neural Networks, 2017.

    Args:
        rates: learning rates, positive and rising (N,).
        losses: of the batch of each step (N,).
        smoothed: the same without most of their noise (N,).
        suggestion: the rate to mark; None marks none.
        title: what stands above.

    Raises:
        ValueError: if there is no step, or the shapes are not (N,).

    Examples:
        >>> rates = np.logspace(-4, 0, 5)
        >>> losses = np.array([2.0, 1.9, 1.0, 0.9, 5.0])
        >>> figure = learning_rate_range(rates, losses, losses, 0.003)
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['loss of a batch', 'smoothed', 'suggested rate 0.003']
    """
    if rates.ndim != 1 or not rates.size or not rates.shape == losses.shape == smoothed.shape:
        raise ValueError(f"rates and losses (N,), not {rates.shape}, {losses.shape}, {smoothed.shape}")
    figure = new_figure(7.5, 4.8)
    axes = figure.subplots()
    quiet_axes(axes)
    axes.plot(rates, losses, ".", color="0.6", markersize=4, label="loss of a batch")
    axes.plot(rates, smoothed, color=BLUE, linewidth=1.8, label="smoothed")
    if suggestion is not None:
        axes.axvline(
            suggestion,
            color=VERMILION,
            linestyle="--",
            linewidth=1.5,
            label=f"suggested rate {suggestion:.2g}",
        )
    axes.set_xscale("log")
    finite = smoothed[np.isfinite(smoothed)]
    if finite.size:
        low = float(losses[np.isfinite(losses)].min())
        high = min(float(finite.max()), HIGHEST_SHOWN * abs(float(finite[0])))
        margin = 0.08 * (high - low) or 0.5
        axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("learning rate", fontsize=TEXT_SIZE, color=BLACK)
    axes.set_ylabel("training loss", fontsize=TEXT_SIZE, color=BLACK)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=TEXT_SIZE)
    return figure
