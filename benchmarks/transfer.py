"""Whether pretrained weights help: a ResNet18 trained on 20 classes of CIFAR-100, carried over to 5 others.

    python benchmarks/transfer.py [--epochs 15] [--transfer-epochs 40] [--samples 25] [--seeds 3]
                                  [--weights FILE]

The raw data is looked for in CNNLAB_DATA, and not verified. torchvision's own network is trained on the first
20 classes and saved as a plain state dict, in torchvision's format; that file is loaded as a user's would be,
by ``ResNet(weights=FILE)``. The next 5 classes, of which few samples are taken for each seed, are then learnt
by a linear layer on the frozen body, by fine-tuning the body at a tenth of the rate, and from scratch. All
that differs between the three is what the table says. The accuracy is that of the last epoch on the 500 test
images: nothing is chosen by it. With --weights the file of an earlier call is taken, if it is there.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from cnnlab.data.cifar import read_cifar
from cnnlab.data.raw import default_root
from cnnlab.models.resnet import ResNet

SOURCE = range(20)
TARGET = range(20, 25)
BATCH, SMALL_BATCH = 128, 25
RATE, MOMENTUM, DECAY = 0.05, 0.9, 5e-4
HEAD_RATE, BODY_FACTOR = 0.01, 0.1
Part = tuple[Tensor, Tensor]

# The network's settings, and the factor of the rate of its body.
WAYS: dict[str, tuple[dict[str, str], float]] = {
    "pretrained, frozen": ({"trained": "head"}, 0.0),
    "pretrained, fine-tuned": ({"trained": "all"}, BODY_FACTOR),
    "from scratch": ({"trained": "all"}, 1.0),
}


def classes(part: Part, wanted: range) -> Part:
    """Images uint8 ``(n, 3, 32, 32)`` and labels from 0 of some classes."""
    images, labels = part
    rows = (labels >= wanted.start) & (labels < wanted.stop)
    return images[rows].contiguous(memory_format=torch.channels_last), labels[rows] - wanted.start


def few(part: Part, samples: int, seed: int) -> Part:
    """So many samples of each class, drawn by the seed."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(part[1]), generator=generator)
    rows = torch.cat([order[part[1][order] == label][:samples] for label in range(len(TARGET))])
    return part[0][rows], part[1][rows]


class Scaling:
    """Scales images by mean and deviation of the channels of those that the body was trained on."""

    def __init__(self, images: Tensor) -> None:
        pixels = images.float()
        self.mean = pixels.mean((0, 2, 3)).view(1, 3, 1, 1)
        self.std = pixels.std((0, 2, 3)).view(1, 3, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Float images of uint8 ones, channels last."""
        return images.float().sub_(self.mean).div_(self.std)


def train(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    part: Part,
    scaling: Scaling,
    epochs: int,
    batch: int,
) -> None:
    """Train with mirrored images and a rate that falls by a half cosine."""
    images, labels = part
    steps = epochs * -(-len(labels) // batch)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(labels)), batch):
            chosen = images[rows]
            mirrored = (torch.rand(len(rows)) < 0.5).view(-1, 1, 1, 1)
            x = scaling(torch.where(mirrored, chosen.flip(3), chosen))
            with torch.autocast("cpu", torch.bfloat16):
                outputs: Tensor = network(x)
            loss = F.cross_entropy(outputs.float(), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()


@torch.no_grad()
def accuracy(network: nn.Module, part: Part, scaling: Scaling) -> float:
    """Share of right answers."""
    network.eval()
    right = 0
    for images, labels in zip(torch.split(part[0], 500), torch.split(part[1], 500), strict=True):
        with torch.autocast("cpu", torch.bfloat16):
            right += int((network(scaling(images)).argmax(1) == labels).sum())
    return right / len(part[1])


def pretrain(train_part: Part, test_part: Part, scaling: Scaling, epochs: int, file: Path) -> None:
    """Train torchvision's network and save it as torchvision does."""
    torch.manual_seed(0)
    start = time.perf_counter()
    network = torchvision.models.resnet18(num_classes=len(SOURCE)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
    )
    train(network, optimizer, train_part, scaling, epochs, BATCH)
    torch.save(network.state_dict(), file)
    found = accuracy(network, test_part, scaling)
    print(
        f"Pretrained on {len(SOURCE)} classes, {len(train_part[1]):,} images, {epochs} epochs:"
        f" test accuracy {found:.3f}, {time.perf_counter() - start:.0f} s\n",
        flush=True,
    )


def transfer(way: str, file: Path, train_part: Part, scaling: Scaling, epochs: int, seed: int) -> ResNet:
    """Train a network for the new classes."""
    settings, factor = WAYS[way]
    torch.manual_seed(seed)
    network = ResNet(
        (3, 32, 32),
        len(TARGET),
        depth=18,
        weights=None if way == "from scratch" else str(file),
        **settings,  # type: ignore[arg-type]
    )
    groups = network.groups()
    rates = {"body": HEAD_RATE * factor, "head": HEAD_RATE}
    optimizer = torch.optim.SGD(
        [{"params": groups[name], "lr": rate} for name, rate in rates.items() if groups[name]],
        momentum=MOMENTUM,
        weight_decay=DECAY,
        nesterov=True,
    )
    train(network, optimizer, train_part, scaling, epochs, SMALL_BATCH)
    return network


def compare(
    file: Path, parts: dict[str, Part], scaling: Scaling, samples: int, epochs: int, seeds: int
) -> None:
    """Print a row for each way, over the same samples."""
    print("| body | parameters trained | test accuracy | sd | seconds a training |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for way in WAYS:
        found, start = [], time.perf_counter()
        for seed in range(seeds):
            chosen = few(parts["train"], samples, seed)
            network = transfer(way, file, chosen, scaling, epochs, seed)
            found.append(accuracy(network, parts["test"], scaling))
        trained = sum(p.numel() for part in network.groups().values() for p in part)
        seconds = (time.perf_counter() - start) / seeds
        spread = f"{statistics.stdev(found):.3f}" if len(found) > 1 else "-"
        row = f"| {way} | {trained:,} | {statistics.mean(found):.3f} | {spread} | {seconds:.0f} |"
        print(row, flush=True)


def main() -> None:
    """Pretrain, carry over, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15, help="of the pretraining")
    parser.add_argument("--transfer-epochs", type=int, default=40)
    parser.add_argument("--samples", type=int, default=25, help="of each new class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="keep the pretrained weights here")
    arguments = parser.parse_args()
    arrays, _ = read_cifar(default_root(), "cifar100", verify=False)
    parts = {
        name: (torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))
        for name, (images, labels) in arrays.items()
    }
    source, target = (
        {name: classes(part, wanted) for name, part in parts.items()} for wanted in (SOURCE, TARGET)
    )
    scaling = Scaling(source["train"][0])
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.weights or Path(folder) / "resnet18.pth"
        if not file.is_file():
            pretrain(source["train"], source["test"], scaling, arguments.epochs, file)
        print(
            f"{len(TARGET)} other classes, {arguments.samples} images each,"
            f" {arguments.transfer_epochs} epochs, {arguments.seeds} seeds\n"
        )
        compare(file, target, scaling, arguments.samples, arguments.transfer_epochs, arguments.seeds)


if __name__ == "__main__":
    main()
