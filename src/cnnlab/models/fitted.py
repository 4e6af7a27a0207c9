"""What layers have in common that are fitted once to the training samples and then part of the model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Fitted(nn.Module):
    """A layer that knows whether it was fitted, also after its state was loaded.

    A subclass that has something to fit calls :meth:`expect_fit` while it is built, :meth:`mark_fitted` when
    that is done, and :meth:`require_fitted` before it relies on it.

    Examples:
        >>> layer = Fitted()
        >>> layer.is_fitted
        True
        >>> layer.expect_fit()
        >>> layer.is_fitted, list(layer.state_dict())
        (False, ['fitted'])
    """

    fitted: Tensor

    def __init__(self) -> None:
        super().__init__()
        # A bool beside the buffer, since to ask a buffer in each forward would wait for the GPU.
        self.is_fitted = True

    def expect_fit(self) -> None:
        """Keep in the state, from now on, whether it was fitted."""
        self.is_fitted = False
        self.register_buffer("fitted", torch.tensor(False))

    def mark_fitted(self) -> None:
        """Note that it was fitted."""
        self.is_fitted = True
        self.fitted.fill_(True)

    def require_fitted(self, x: Tensor, message: str) -> None:
        """Refuse to work on ``x`` unfitted; on the meta device, where only shapes count, that is no matter.

        Raises:
            RuntimeError: with the message.
        """
        if not self.is_fitted and not x.is_meta:
            raise RuntimeError(message)

    def restored(self) -> None:
        """Follow a state that was just loaded, where more than the buffers depends on it."""

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        *args: Any,  # noqa: ANN401 - torch's own, handed on
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        fitted = state_dict.get(f"{prefix}fitted")
        if "fitted" in self._buffers and fitted is not None:
            self.is_fitted = bool(fitted)
            self.restored()
