"""A checkpoint's containers as JSON, its tensors as named arrays, and both back again."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

MOST_DEEP = 64
TENSOR, TUPLE, PAIRS, LAYOUT = "$tensor", "$tuple", "$pairs", "channels_last"
Name = Callable[[tuple[str, ...]], str]


def flatten(value: Any, name: Name, path: tuple[str, ...] = ()) -> tuple[Any, dict[str, Tensor]]:  # noqa: ANN401
    """Part plain containers into what JSON can write, and tensors.

    Args:
        value: dictionaries, lists, tuples, tensors, texts, numbers, booleans and None.
        name: gives the name of the tensor at a path.
        path: where ``value`` stands.

    Returns:
        What JSON can write, with the names in the tensors' places, and the tensors by name.

    Raises:
        TypeError: for anything else.
        ValueError: if two tensors would have the same name.

    Examples:
        >>> value = {"step": 3, "state": {0: (torch.ones(2), None)}}
        >>> plain, tensors = flatten(value, "/".join)
        >>> plain
        {'step': 3, 'state': {'$pairs': [[0, {'$tuple': [{'$tensor': 'state/0/0'}, None]}]]}}
        >>> unflatten(plain, tensors)["state"][0][0]
        tensor([1., 1.])
    """
    if isinstance(value, Tensor):
        # An optimiser adds up in the order in which the numbers lie.
        layout = {LAYOUT: True} if is_channels_last(value) else {}
        return {TENSOR: name(path)} | layout, {name(path): value}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value, {}
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, (list, tuple)):
        pairs = list(enumerate(value))
    else:
        raise TypeError(f"{'/'.join(path)} is a {type(value).__name__}, which a checkpoint does not hold")
    tensors: dict[str, Tensor] = {}
    inner = []
    for key, part in pairs:
        plain, found = flatten(part, name, (*path, str(key)))
        if not tensors.keys().isdisjoint(found):
            raise ValueError(f"two tensors would be named {min(tensors.keys() & found.keys())}")
        inner.append(plain)
        tensors |= found
    if isinstance(value, list):
        return inner, tensors
    if isinstance(value, tuple):
        return {TUPLE: inner}, tensors
    if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
        return {key: plain for (key, _), plain in zip(pairs, inner, strict=True)}, tensors
    return {PAIRS: [[key, plain] for (key, _), plain in zip(pairs, inner, strict=True)]}, tensors


def is_channels_last(tensor: Tensor) -> bool:
    """Whether a tensor of four dimensions has its channels last in memory, and not first."""
    last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return last and not tensor.is_contiguous()


def unflatten(plain: Any, tensors: Mapping[str, Tensor], depth: int = 0) -> Any:  # noqa: ANN401
    """Put together what :func:`flatten` parted.

    Raises:
        ValueError: if a tensor is not there, or it is nested too deeply.
    """
    if depth > MOST_DEEP:
        raise ValueError(f"it is nested more than {MOST_DEEP} deep")
    if isinstance(plain, list):
        return [unflatten(part, tensors, depth + 1) for part in plain]
    if not isinstance(plain, dict):
        return plain
    if TENSOR in plain:
        if plain[TENSOR] not in tensors:
            raise ValueError(f"the array {plain[TENSOR]} is not there")
        found = tensors[plain[TENSOR]]
        last = plain.get(LAYOUT) is True and found.ndim == 4
        return found.contiguous(memory_format=torch.channels_last) if last else found
    if TUPLE in plain:
        return tuple(unflatten(part, tensors, depth + 1) for part in plain[TUPLE])
    if PAIRS in plain:
        return {key: unflatten(part, tensors, depth + 1) for key, part in plain[PAIRS]}
    return {key: unflatten(part, tensors, depth + 1) for key, part in plain.items()}
