"""torchvision's residual networks, whole or cut, as feature extractors or fine-tuned, under heads of our own.

He et al., Deep Residual Learning for Image Recognition, 2016.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from cnnlab.config.ranges import Count, Positive, Share
from cnnlab.data.spec import DataSpec, Kind
from cnnlab.errors import UserError
from cnnlab.models.convnet import MemoryFormat
from cnnlab.models.layers import Init, Network, conv_size, initialise
from cnnlab.models.mlp import dense_layers
from cnnlab.models.module import NetworkModule
from cnnlab.models.pretrained import load_pretrained
from cnnlab.models.steps import Step

Depth = Literal[18, 50]
Stage = Literal["layer1", "layer2", "layer3", "layer4"]
Head = Literal["dense", "conv"]
Trained = Literal["all", "layer1", "layer2", "layer3", "layer4", "head"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class ResNet(Network):
    """A ResNet's body, trained from a stage on or not at all, under a dense or a convolutional head.

    Takes float ``(batch, channels, height, width)`` of one or three channels, gives float ``(batch,
    outputs)``: logits. A grey image is repeated to three channels. The input is expected as the weights were
    trained, which is the work of the step ``imagenet`` of :class:`~cnnlab.models.preprocess.Preprocess`.

    Frozen stages have no gradients, and their batch norm keeps its statistics in training too. As in all of
    torchvision's, the stride of a bottleneck lies in its 3x3 convolution; Keras's ResNet50 has it in the
    first 1x1, and biases, so that its weights do not fit here.

    Args:
        input_shape: ``(channels, height, width)``.
        outputs: number of outputs.
        depth: 18 or 50 layers.
        weights: pretrained ones of the body, see :func:`~cnnlab.models.pretrained.load_pretrained`: a name of
            torchvision's (``IMAGENET1K_V1``; depth 50 also has ``IMAGENET1K_V2``), a file, or None. Whoever
            loads a checkpoint into the network needs none.
        last_stage: the body is cut behind it; an earlier one gives larger maps with fewer channels.
        head: ``dense`` (global average pool, then dense layers), or ``conv`` (a convolution of the map
            without padding, dropout, and only then the pool and the dense layers).
        hidden: widths of the hidden dense layers of the head; none is a linear classifier.
        dropout: after the hidden dense layers, one for all or a list.
        filters: of the convolution in the head ``conv``.
        kernel_size: likewise.
        dropout_conv: after that convolution.
        trained: the stage from which on the body is trained, ``all`` of it, or the ``head`` alone.
        init: of all that has no pretrained weights: ``torch`` (the body's as torchvision draws them), or
            ``keras``: Glorot-uniform kernels and zero biases.
        memory_format: ``auto`` is channels last, which is the faster one.

    Raises:
        UserError: for another number of channels, a map too small for the head, a stage behind the cut, or
            weights that cannot be had or do not fit.

    Examples:
        >>> net = ResNet((3, 224, 224), 1000, depth=18)
        >>> sum(p.numel() for p in net.parameters())
        11689512
        >>> net = ResNet((1, 64, 64), 10, depth=18, last_stage="layer3", hidden=[64], trained="head")
        >>> x = torch.zeros(2, 1, 64, 64)
        >>> net.features(x).shape, net(x).shape
        (torch.Size([2, 256]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        depth: Depth = 50,
        weights: str | None = None,
        last_stage: Stage = "layer4",
        head: Head = "dense",
        hidden: Sequence[Count] = (),
        dropout: Share | Sequence[Share] = 0.0,
        filters: Count = 64,
        kernel_size: Count = 3,
        dropout_conv: Share = 0.2,
        trained: Trained = "all",
        init: Init = "torch",
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__()
        if input_shape[0] not in (1, 3):
            raise UserError(
                f"model: the images have {input_shape[0]} channels; a ResNet takes 3, or 1 that it repeats."
            )
        self.last_stage = last_stage
        self.body, channels = cut_body(depth, last_stage)
        pool: OrderedDict[str, nn.Module] = OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
        convolution: OrderedDict[str, nn.Module] = OrderedDict()
        if head == "conv":
            self._require_map(input_shape, kernel_size)
            convolution["conv"] = nn.Conv2d(channels, filters, kernel_size)
            convolution["relu"] = nn.ReLU(inplace=True)
            convolution["dropout"] = nn.Dropout(dropout_conv)
            convolution |= pool
            channels, pool = filters, OrderedDict()
        self.pool = nn.Sequential(pool)
        self.head = nn.Sequential(convolution | head_layers(channels, hidden, outputs, dropout))
        initialise(self, init)
        if weights is not None:
            load_pretrained(self.body, weights, f"resnet{depth}")
        self.frozen = self._before(trained, "model.trained=")
        for part in self.body[: self.frozen]:
            part.requires_grad_(False)
        if memory_format != "contiguous":
            self.to(memory_format=torch.channels_last)
        self.train()

    def features(self, x: Tensor) -> Tensor:
        """What the head takes, of float images ``(batch, 1 or 3, height, width)``.

        For a dense head the pooled ``(batch, channels)``, for a convolutional one the map ``(batch, channels,
        height / 32, width / 32)``, larger behind an earlier last stage. While the whole body is frozen, they
        are the same in each epoch and can be kept: ``net.head(features)`` gives the logits.
        """
        maps: Tensor = self.body(x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x)
        features: Tensor = self.pool(maps)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, outputs)`` of float images ``(batch, 1 or 3, height, width)``."""
        logits: Tensor = self.head(self.features(x))
        return logits

    def train(self, mode: bool = True) -> "ResNet":
        """Switch to training or evaluation; frozen stages stay in evaluation, and so do their statistics."""
        super().train(mode)
        self.body[: self.frozen].eval()
        return self

    @property
    def body_is_frozen(self) -> bool:
        """Whether the head alone is trained."""
        return self.frozen == len(self.body)

    def is_frozen(self, start: Trained) -> bool:
        """Whether :meth:`unfreeze` would change anything; raises as it does."""
        return self._before(start, "callbacks.unfreeze.") < self.frozen

    def unfreeze(self, start: Trained) -> list[nn.Parameter]:
        """Train the body from a stage on; what is trained already stays so.

        Returns:
            The parameters that were frozen until now.

        Raises:
            UserError: if the body was cut before that stage.

        Examples:
            >>> net = ResNet((3, 32, 32), 10, depth=18, trained="head")
            >>> sum(p.numel() for p in net.unfreeze("layer4"))
            8393728
            >>> net.unfreeze("layer4")
            []
        """
        before = min(self.frozen, self._before(start, "callbacks.unfreeze."))
        thawed = list(self.body[before : self.frozen].parameters())
        for parameter in thawed:
            parameter.requires_grad_(True)
        self.frozen = before
        self.train(self.training)
        return thawed

    def _before(self, start: Trained, place: str) -> int:
        """Number of the body's parts before a stage."""
        names = [name for name, _ in self.body.named_children()]
        if start in ("all", "head"):
            return 0 if start == "all" else len(names)
        if start not in names:
            stages = ", ".join(name for name in names if name in STAGES)
            raise UserError(
                f"{place}{start}: the body ends behind {self.last_stage} (model.last_stage); "
                f"allowed are all, {stages}, head."
            )
        return names.index(start)

    def _require_map(self, input_shape: tuple[int, ...], kernel_size: int) -> None:
        scale = 4 * 2 ** STAGES.index(self.last_stage)
        height, width = (conv_size(n, scale, scale, "same") for n in input_shape[1:])
        if min(height, width) < kernel_size:
            raise UserError(
                f"model.head=conv: behind {self.last_stage} the image is {height}x{width}, too small for a"
                f" {kernel_size}x{kernel_size} kernel; the input is {input_shape[1]}x{input_shape[2]}."
                " Take larger images or an earlier model.last_stage."
            )


def head_layers(
    channels: int, hidden: Sequence[int], outputs: int, dropout: float | Sequence[float]
) -> OrderedDict[str, nn.Module]:
    """Hidden dense layers with ReLU and dropout, then the output layer."""
    return dense_layers(
        channels,
        hidden,
        outputs,
        act="relu",
        negative_slope=0.0,
        norm="none",
        norm_key="",
        norm_momentum=0.1,
        norm_eps=1e-5,
        dropout=dropout,
        dropout_key="model.dropout",
    )


def cut_body(depth: Depth, last_stage: Stage) -> tuple[nn.Sequential, int]:
    """Build torchvision's network up to a stage, its modules under their own names.

    Returns:
        The modules in their order, and the number of channels that come out.

    Examples:
        >>> body, channels = cut_body(50, "layer3")
        >>> [name for name, _ in body.named_children()][-2:], channels
        (['layer2', 'layer3'], 1024)
    """
    import torchvision.models  # a second to import

    whole: nn.Module = torchvision.models.get_model(f"resnet{depth}", weights=None)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for name, part in whole.named_children():
        parts[name] = part
        if name == last_stage:
            break
    widest = int(whole.get_submodule("fc").in_features)  # type: ignore[arg-type]
    return nn.Sequential(parts), widest >> STAGES[::-1].index(last_stage)


class ResNetModule(NetworkModule):
    """Training of a :class:`ResNet`: whole, from a stage on, or its head alone.

    The preprocessing ``auto`` is the step ``imagenet``, with pretrained weights and without: a network built
    anew for a checkpoint's weights has no pretrained ones, and must see its images in the same way.

    Args:
        spec: shape and classes of the data.
        body_rate: learning rate of the body, as a share of the head's, which is the optimizer's.
        cache_features: compute what the head takes once, see :func:`~cnnlab.training.features.served`:
            ``auto`` where the body is frozen and nothing augmented, True also refuses to train elsewhere.
        settings: those of :class:`~cnnlab.models.module.NetworkModule` and of the network.
    """

    network_class = ResNet
    automatic_steps: ClassVar[Mapping[Kind, tuple[Step, ...]]] = {"image": ("imagenet",)}
    settings_of_restored: ClassVar[Mapping[str, Any]] = {"weights": None}
    network: ResNet

    def __init__(
        self,
        spec: DataSpec,
        *,
        body_rate: Positive = 1.0,
        cache_features: Literal["auto"] | bool = "auto",
        **settings: Any,  # noqa: ANN401 - checked by their own signatures
    ) -> None:
        super().__init__(spec, **settings)
        self.body_rate, self.cache_features = body_rate, cache_features

    @classmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data that is not images, or has images to predict."""
        if spec.kind != "image":
            raise UserError(f"data={spec.name} gives {spec.kind} samples; a ResNet takes images.")
        if spec.target == "image":
            raise UserError(f"data={spec.name} has images to predict; a ResNet gives classes or values.")

    def forward(self, raw: Tensor) -> Tensor:
        """Outputs ``(batch, outputs)`` of a raw batch, or of what :meth:`ResNet.features` gave for one.

        The two differ in their channels: images have 1 or 3, features 64 or more.
        """
        if raw.shape[1] > 3:
            outputs: Tensor = self.network.head(raw)
            return outputs
        return super().forward(raw)

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The head's parameters and the body's, each with their share of the learning rate.

        Frozen ones are among them, which optimizers pass over, weight decay included: one that knows all
        from the start can go on from any checkpoint of a gradual unfreezing.
        """
        parts = ((1.0, self.network.head), (self.body_rate, self.network.body))
        return [(share, list(part.parameters())) for share, part in parts]
