"""Optimizers in their fused form, where that is faster and torch leaves it off."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import Adam, AdamW, Optimizer

MakeOptimizer = Callable[..., Optimizer]
Group = dict[str, Any]
FASTER_FUSED = (Adam, AdamW)


def fused(make: MakeOptimizer, parameters: Iterable[nn.Parameter | Group]) -> Optimizer:
    """Make an optimizer; on the CPU in its fused form unless the maker says otherwise.

    One pass over the weights instead of one per operation: Adam on six million weights takes less than
    half the time. SGD has so few operations that its fused form is the slower one. On CUDA torch chooses
    well by itself.

    Args:
        make: an optimizer's class, or a ``functools.partial`` of it.
        parameters: what is to be trained; or groups of it, as torch takes them: ``{"params": [...]}``.

    Examples:
        >>> parameters = list(nn.Linear(1, 1).parameters())
        >>> fused(functools.partial(Adam, lr=0.1), parameters).defaults["fused"]
        True
        >>> fused(functools.partial(Adam, lr=0.1, foreach=True), parameters).defaults["fused"]
    """
    chosen = list(parameters)
    kind = make.func if isinstance(make, functools.partial) else make
    said = make.keywords if isinstance(make, functools.partial) else {}
    every = [p for part in chosen for p in (part["params"] if isinstance(part, dict) else [part])]
    on_cpu = all(parameter.device.type == "cpu" for parameter in every)
    if on_cpu and kind in FASTER_FUSED and not {"fused", "foreach"} & set(said):
        return functools.partial(make, fused=True)(chosen)
    return make(chosen)


def with_rates(make: MakeOptimizer, groups: Iterable[tuple[float, Sequence[nn.Parameter]]]) -> Optimizer:
    """Make an optimizer, see :func:`fused`, whose groups of parameters have shares of its learning rate.

    Args:
        make: an optimizer's class, or a ``functools.partial`` of it.
        groups: a share of the rate, and the parameters that get it; empty groups are left out.

    Examples:
        >>> body, head = nn.Linear(2, 2), nn.Linear(2, 1)
        >>> groups = [(1.0, list(head.parameters())), (0.1, list(body.parameters()))]
        >>> optimizer = with_rates(functools.partial(Adam, lr=0.5), groups)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 0.05]
    """
    filled = [(share, list(parameters)) for share, parameters in groups if len(parameters)]
    optimizer = fused(make, [{"params": parameters} for _, parameters in filled])
    for group, (share, _) in zip(optimizer.param_groups, filled, strict=True):
        group["lr"] *= share
    return optimizer
