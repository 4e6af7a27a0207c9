"""A network's layers, shapes, parameters and arithmetic, told without data."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.markup import escape
from rich.table import Table
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize
from torch.utils.flop_counter import FlopCounterMode

from cnnlab.errors import UserError

HEADINGS = ("layer", "kind", "output", "trained", "fixed")


@dataclass(frozen=True)
class LayerRow:
    """One layer of a network.

    Args:
        name: qualified name in the network; ``(network)`` for the network itself.
        kind: class and what tells layers of it apart, as ``Conv2d 3x3 stride 2``.
        output_shape: shape for one sample, without the batch; None where no layer was called.
        trained: number of parameters that learn.
        fixed: number of parameters that do not, and of batch norm's running statistics.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    trained: int
    fixed: int

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row as texts, one for each of ``HEADINGS``.

        Examples:
            >>> LayerRow("head", "Linear", (10,), 5130, 0).cells()
            ('head', 'Linear', '10', '5,130', '0')
        """
        shape = "-" if self.output_shape is None else _shape_text(self.output_shape)
        return self.name, self.kind, shape, f"{self.trained:,}", f"{self.fixed:,}"


@dataclass(frozen=True)
class Description:
    """What a network consists of, and what one sample costs.

    Args:
        rows: its layers in the order of their first call; those not called, but with parameters, come last.
        flops: floating point operations for one sample in evaluation, two per multiply-add, as counted by
            ``torch.utils.flop_counter``: convolutions, matrix products and attention, preprocessing's too.
    """

    rows: tuple[LayerRow, ...]
    flops: int

    @property
    def trained(self) -> int:
        """Number of parameters that learn."""
        return sum(row.trained for row in self.rows)

    @property
    def fixed(self) -> int:
        """Number of parameters that do not learn, and of batch norm's running statistics."""
        return sum(row.fixed for row in self.rows)

    @property
    def parameters(self) -> int:
        """Number of parameters, trained and fixed."""
        return self.trained + self.fixed

    @property
    def summary(self) -> str:
        """The totals in one line."""
        return (
            f"{self.parameters:,} parameters: {self.trained:,} trained, {self.fixed:,} fixed; "
            f"{_amount(self.flops)}FLOP per sample (2 per multiply-add)"
        )

    def as_text(self) -> str:
        """Return a table of aligned columns, and the totals below it.

        Examples:
            >>> print(describe(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), (8,), torch.float32).as_text())
            layer  kind    output  trained  fixed
            0      Linear  4            36      0
            1      ReLU    4             0      0
            36 parameters: 36 trained, 0 fixed; 64 FLOP per sample (2 per multiply-add)
        """
        table = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        line = "  ".join(f"{{:{side}{width}}}" for side, width in zip("<<<>>", widths, strict=True))
        return "\n".join([*(line.format(*cells) for cells in table), self.summary])

    def as_markdown(self) -> str:
        """Return a markdown table, as TensorBoard shows it, and the totals below it.

        Examples:
            >>> print(describe(nn.Linear(8, 4), (8,), torch.float32).as_markdown())
            | layer | kind | output | trained | fixed |
            | --- | --- | --- | ---: | ---: |
            | (network) | Linear | 4 | 36 | 0 |
            <BLANKLINE>
            36 parameters: 36 trained, 0 fixed; 64 FLOP per sample (2 per multiply-add)
        """
        lines = [HEADINGS, ("---", "---", "---", "---:", "---:"), *(row.cells() for row in self.rows)]
        return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", self.summary])

    def as_rich(self) -> Table:
        """Return a table for a terminal, with the totals as its caption.

        Examples:
            >>> describe(nn.Linear(8, 4), (8,), torch.float32).as_rich().row_count
            1
        """
        table = Table(*HEADINGS, caption=self.summary, caption_justify="left")
        for column in table.columns[3:]:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*map(escape, row.cells()))
        return table


def describe(
    network: nn.Module, input_shape: tuple[int, ...], dtype: torch.dtype = torch.uint8
) -> Description:
    """Describe a network by one pass of a sample of zeros, in evaluation, where the network's tensors are.

    On the meta device (``with torch.device("meta"): ...``) nothing is computed. Parameters are counted as
    Keras counts them: batch norm of n channels has 2n trained and 2n fixed. Shared ones count once, and
    preprocessing's buffers do not.

    Args:
        network: any module that takes one tensor; left as it was, its training flags included.
        input_shape: shape of one sample, without the batch.
        dtype: dtype of the input: uint8 images, int64 ids or float32 rows.

    Raises:
        UserError: if a layer fails on this shape; the message names the layer, its input shape and why.

    Examples:
        >>> with torch.device("meta"):
        ...     network = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16))
        >>> description = describe(network, (3, 32, 32), torch.float32)
        >>> description.trained, description.fixed, description.flops
        (480, 32, 884736)
    """
    tensors = [*network.parameters(), *network.buffers()]
    device = tensors[0].device if tensors else torch.device("meta")
    sample = torch.zeros((1, *input_shape), dtype=dtype, device=device)
    walk, counter = _Walk(), FlopCounterMode(display=False)
    with walk.over(network), torch.no_grad(), _plain_kernels(), counter:
        walk.call(network, sample)
    return Description(tuple(_rows(network, walk.shapes)), counter.get_total_flops())


@dataclass
class _Walk:
    """Follows one forward pass through all modules."""

    shapes: dict[nn.Module, tuple[int, ...] | None] = field(default_factory=dict)
    running: list[tuple[str, nn.Module, tuple[int, ...] | None]] = field(default_factory=list)

    @contextmanager
    def over(self, network: nn.Module) -> Iterator[None]:
        """Hook onto every module, in evaluation; afterwards all is as before."""
        with ExitStack() as after:
            for name, module in network.named_modules():
                after.callback(module.register_forward_pre_hook(self._enter(name), with_kwargs=True).remove)
                after.callback(module.register_forward_hook(self._leave).remove)
                after.callback(setattr, module, "training", module.training)
            network.eval()
            yield

    def call(self, network: nn.Module, sample: Tensor) -> None:
        """Call the network; raise UserError that names the innermost layer that failed."""
        try:
            network(sample)
        except UserError:
            raise
        except Exception as error:
            name, module, shape = self.running[-1] if self.running else ("", network, tuple(sample.shape[1:]))
            given = "its input" if shape is None else f"an input of shape {_shape_text(shape)}"
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            layer = f"{name or '(network)'} ({_kind(module)})"
            raise UserError(f"{layer} cannot take {given}: {reason}") from error

    def _enter(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def enter(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            self.running.append((name, module, _sample_shape([*inputs, *named.values()])))
            self.shapes.setdefault(module, None)  # the place in the order of calls

        return enter

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        while self.running.pop()[1] is not module:
            pass  # a part that failed, and whose failure this module caught
        self.shapes[module] = self.shapes[module] or _sample_shape(output)


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Do without fused LSTM and attention, each a single operation that not every counter knows."""
    backends: tuple[Any, ...] = (torch.backends.mkldnn, torch.backends.cudnn)
    with sdpa_kernel(SDPBackend.MATH), ExitStack() as after:
        for backend in backends:
            after.callback(setattr, backend, "enabled", backend.enabled)
            backend.enabled = False
        after.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _rows(network: nn.Module, shapes: dict[nn.Module, tuple[int, ...] | None]) -> Iterator[LayerRow]:
    """Yield the layers called, and whatever else owns parameters."""
    names = {module: name for name, module in network.named_modules()}
    inside = {part for module in names if _is_layer(module) for part in list(module.modules())[1:]}
    counted: set[int] = set()
    for module in [*shapes, *(module for module in names if module not in shapes)]:
        if module in inside:
            continue
        layer = _is_layer(module)
        trained, fixed = _count(module, counted, deep=layer)
        if trained or fixed or (layer and module in shapes):
            kind = _kind(module) if layer else f"{type(module).__name__}'s own"
            shape = shapes.get(module) if layer else None
            yield LayerRow(names[module] or "(network)", kind, shape, trained, fixed)


def _is_layer(module: nn.Module) -> bool:
    """Tell whether a module is one row: it has no parts, or only such as it does not call as layers."""
    whole = isinstance(module, nn.MultiheadAttention) or parametrize.is_parametrized(module)
    return whole or not any(True for _ in module.children())


def _count(module: nn.Module, counted: set[int], deep: bool) -> tuple[int, int]:
    """Return trained and fixed numbers of a module, and of its parts if ``deep``, each tensor once in all."""
    tensors: list[Tensor] = list(module.parameters(recurse=deep))
    buffers = module.named_buffers(recurse=deep)
    tensors += [buffer for name, buffer in buffers if name.endswith(("running_mean", "running_var"))]
    new = {id(tensor): tensor for tensor in tensors if id(tensor) not in counted}.values()
    counted.update(map(id, new))
    trained = sum(tensor.numel() for tensor in new if tensor.requires_grad)
    return trained, sum(tensor.numel() for tensor in new) - trained


def _kind(module: nn.Module) -> str:
    """Return the class and what tells layers of it apart, as ``Conv2d 3x3 stride 2``."""
    name = type(module).__name__
    words = [name]
    dimensions = int(name[-2]) if name.endswith(("1d", "2d", "3d")) else 1
    ones = (1,) * dimensions
    if kernel := _sizes(module, "kernel_size", dimensions):
        words.append(_shape_text(kernel))
        usual = {"stride": kernel if "Pool" in name else ones, "dilation": ones, "groups": ones}
        for option, normal in usual.items():
            sizes = _sizes(module, option, dimensions) or normal
            if sizes != normal:
                words.append(f"{option} {_shape_text(sizes[:1] if len(set(sizes)) == 1 else sizes)}")
    if output := _sizes(module, "output_size", dimensions):
        words.append(f"to {_shape_text(output)}")
    fractions = (getattr(module, option, None) for option in ("p", "negative_slope"))
    return " ".join([*words, *(f"{value:g}" for value in fractions if isinstance(value, float))])


def _sizes(module: nn.Module, option: str, dimensions: int) -> tuple[int, ...] | None:
    """Return an option given as one whole number or one per dimension; None where there is none such."""
    value = getattr(module, option, None)
    sizes = (value,) * dimensions if isinstance(value, int) else value
    return sizes if isinstance(sizes, tuple) and all(isinstance(size, int) for size in sizes) else None


def _sample_shape(value: object) -> tuple[int, ...] | None:
    """Return the shape, without the batch, of the first tensor in what a layer takes or gives."""
    if isinstance(value, Tensor):
        return tuple(value.shape[1:])
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return next((shape for item in value if (shape := _sample_shape(item)) is not None), None)
    return None


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _amount(number: float) -> str:
    """Return a number with three digits, a space and a prefix of a thousand, as ``1.23 G``."""
    for prefix in ("", "k", "M", "G"):
        if number < 999.5:
            return f"{number:.3g} {prefix}"
        number /= 1000.0
    return f"{number:.3g} T"
