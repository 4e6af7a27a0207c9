"""The ceiling: the reference networks in a bare PyTorch loop, on random batches already in memory.

    python benchmarks/bare_loop.py NET [--seconds 6]

No loader, no augmentation, no logging, no metrics. Each of the precisions and memory formats is tried and
printed as a line of JSON; a training framework can come close to the best of them.
"""

import argparse
import json
import time
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCHES = 64


def block(channels: int, widths: list[int], kernel: int, slope: float | None) -> list[nn.Module]:
    """Convolutions with their activations, then a pooling."""
    layers: list[nn.Module] = []
    for width in widths:
        act = nn.ReLU() if slope is None else nn.LeakyReLU(slope)
        layers += [nn.Conv2d(channels, width, kernel, padding="same"), act]
        channels = width
    return [*layers, nn.MaxPool2d(2)]


def dense(widths: list[int], slope: float | None = None) -> list[nn.Module]:
    """Flatten, then dense layers with activations between them."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU() if slope is None else nn.LeakyReLU(slope)]
    return layers[:-1]


def fashion_2_blocks() -> nn.Sequential:
    """Two blocks of 20 and 40 filters."""
    return nn.Sequential(
        *block(1, [20, 20], 3, 0.3), *block(20, [40, 40], 2, 0.3), *dense([1960, 32, 32, 10], 0.3)
    )


def deep_cnn() -> nn.Sequential:
    """C64-P-C64-P-F512-F."""
    return nn.Sequential(*block(3, [64], 3, None), *block(64, [64], 3, None), *dense([4096, 512, 10]))


def vgg_like() -> nn.Sequential:
    """Seven convolutions, five poolings, three dense layers."""
    plan = [(3, [64, 64]), (64, [128]), (128, [256, 256]), (256, [512]), (512, [512])]
    convolutions = [layer for channels, widths in plan for layer in block(channels, widths, 3, None)]
    return nn.Sequential(*convolutions, *dense([512, 1000, 1000, 100]))


def mnist_dense() -> nn.Sequential:
    """F100-F10."""
    return nn.Sequential(*dense([784, 100, 10]))


NETS = {  # network, input shape, classes, batch size
    "fashion_2_blocks": (fashion_2_blocks, (1, 28, 28), 10, 50),
    "deep_cnn": (deep_cnn, (3, 32, 32), 10, 32),
    "vgg_like": (vgg_like, (3, 32, 32), 100, 128),
    "mnist_dense": (mnist_dense, (1, 28, 28), 10, 32),
}


def measure(name: str, bf16: bool, channels_last: bool, seconds: float) -> float:
    """Samples per second of training steps with SGD and momentum."""
    build, shape, classes, batch = NETS[name]
    torch.manual_seed(0)
    network = build()
    images, targets = torch.randn(BATCHES * batch, *shape), torch.randint(0, classes, (BATCHES * batch,))
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step(i: int) -> None:
        rows = slice(i % BATCHES * batch, i % BATCHES * batch + batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs: Tensor = network(images[rows])
            loss = F.cross_entropy(outputs.float(), targets[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for i in range(3):
        step(i)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step(steps)
        steps += 1
    return steps * batch / (time.perf_counter() - start)


def main() -> None:
    """Measure one network in every precision and format that may be its best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--best", action="store_true", help="only what is known to be the fastest")
    arguments = parser.parse_args()
    dense_only = arguments.net == "mnist_dense"
    choices = [(not dense_only, not dense_only)] if arguments.best else product((False, True), repeat=2)
    for bf16, channels_last in choices:
        speed = measure(arguments.net, bf16, channels_last, arguments.seconds)
        row = {
            "net": arguments.net,
            "bf16": bf16,
            "channels_last": channels_last,
            "samples_per_s": round(speed),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
