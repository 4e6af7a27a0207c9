"""Digests of what a network consists of."""

import hashlib

import torch
from torch import nn


def weights_fingerprint(model: nn.Module) -> str:
    """Digest of all weights and buffers: equal for two trainings that ended in the same bits.

    Examples:
        >>> weights_fingerprint(nn.ReLU()) == weights_fingerprint(nn.Flatten())
        True
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
