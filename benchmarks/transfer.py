"""Whether pretrained weights help: a ResNet18 trained on 15 classes of CIFAR-100, carried over to 10 others.

    python benchmarks/transfer.py [--root FOLDER] [--epochs 12] [--transfer-epochs 30] [--seeds 3]
                                  [--heads] [--weights FILE]

No ImageNet weights are needed. cnnlab trains its resnet18 on the classes 0 to 14; the result is written as a
plain state dict, in torchvision's format, and torchvision's own network must take it. That file is then given
to cnnlab as a user's would be, by ``model.weights=FILE``, to learn the classes 15 to 24 from 25 images each:
the head alone, on kept features; the whole network, its body at a tenth of the rate; and, without the file,
the whole network from scratch. A seed draws the images, the first weights and the order. The best epoch is
chosen on 200 further images, and the accuracy is that of the 1,000 test images. The raw data is looked for in
--root (default: CNNLAB_DATA), and not verified. With --weights the file is kept, or taken if it is there.

With --heads the heads of the rows birds_* are compared in place of the three ways, with the layers that their
experiments have, on the same images. At 32 x 32 pixels the last map is a single point: the conv head takes
that of layer2, of 4 x 4, with 128 channels.
"""

import argparse
import io
import statistics
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import torch
import torchvision

from cnnlab.config.compose import compose
from cnnlab.data.cifar import CIFAR100_CLASSES
from cnnlab.training.result import Result
from cnnlab.training.run import run

SOURCE, TARGET = CIFAR100_CLASSES[:15], CIFAR100_CLASSES[15:25]
COMMON = [
    *("data=cifar100", "data.verify=false", "data.stratify=true", "model=resnet18"),
    *("optimizer=sgd_nesterov", "optimizer.weight_decay=5e-4", "schedule=one_cycle"),
    *("trainer=cpu", "logger=none"),
]
FLIPPED = "data.augment.horizontal_flip=true"
PRETRAINING = [FLIPPED, "data.augment.crop_padding=4", "optimizer.lr=0.05"]
# 200 of 5,000 images validate; of the rest 25 a class are trained on.
FEW = ["data.validation=200", f"data.train_fraction={250 / 4800:.4f}", "data.batch_size=25"]
WAYS = {
    "pretrained, head alone": ["model.trained=head", "optimizer.lr=0.05"],
    "pretrained, fine-tuned": ["model.body_rate=0.1", "optimizer.lr=0.05", FLIPPED],
    "from scratch": ["model.weights=null", "optimizer.lr=0.05", FLIPPED],
}
FROZEN, TWO = "model.trained=head", "model.hidden=[1024]"
CONV = ["model.head=conv", "model.dropout_conv=0.2", TWO, "model.dropout=0.4"]
RATE = "optimizer.lr=0.01"  # the body's too, and without augmentation, as in these rows
HEADS = {
    "birds_features_linear": [RATE, FROZEN],
    "birds_features_mlp": [RATE, FROZEN, TWO],
    "birds_features_mlp_dropout": [RATE, FROZEN, TWO, "model.dropout=0.75"],
    "birds_finetune_linear": [RATE],
    "birds_finetune_mlp": [RATE, TWO],
    "birds_finetune_conv, behind layer2": [RATE, *CONV, "model.last_stage=layer2"],
}


def train(overrides: list[str], folder: Path, epochs: int) -> Result:
    """Run cnnlab in a folder, without its line for each epoch."""
    with redirect_stdout(io.StringIO()):
        return run(compose([*COMMON, f"trainer.max_epochs={epochs}", *overrides]), folder)


def pretrain(extra: list[str], epochs: int, folder: Path, file: Path) -> None:
    """Train on the first classes, and write the weights as torchvision does."""
    result = train([f"data.classes=[{','.join(SOURCE)}]", *PRETRAINING, *extra], folder, epochs)
    checkpoint = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    names = {"network.body.": "", "network.head.output.": "fc."}
    state = {
        new + name.removeprefix(old): tensor.clone()
        for name, tensor in checkpoint["state_dict"].items()
        for old, new in names.items()
        if name.startswith(old)
    }
    torchvision.models.resnet18(num_classes=len(SOURCE)).load_state_dict(state)
    torch.save(state, file)
    print(
        f"Pretrained on {len(SOURCE)} classes, {result.samples['train']:,} images, {epochs} epochs:"
        f" test accuracy {result.test['accuracy']:.3f}\n",
        flush=True,
    )


def compare(
    ways: dict[str, list[str]], extra: list[str], epochs: int, seeds: int, folder: Path, file: Path
) -> None:
    """Print a row for each way, over the same images."""
    print("| network | parameters trained | test accuracy | sd |")
    print("|---|---:|---:|---:|")
    for way, settings in ways.items():
        found = []
        for seed in range(seeds):
            drawn = [f"seed={seed}", f"data.split_seed={seed}", f"data.classes=[{','.join(TARGET)}]"]
            given = [f"model.weights={file}", *FEW, *settings]
            found.append(train([*given, *drawn, *extra], folder / f"{way}{seed}", epochs))
        accuracies = [result.test["accuracy"] for result in found]
        spread = f"{statistics.stdev(accuracies):.3f}" if seeds > 1 else "-"
        row = (way, f"{found[0].parameters_trained:,}", f"{statistics.mean(accuracies):.3f}", spread)
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Pretrain, carry over, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", help="folder of the raw data")
    parser.add_argument("--epochs", type=int, default=12, help="of the pretraining")
    parser.add_argument("--transfer-epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--heads", action="store_true", help="compare the heads of the rows birds_*")
    parser.add_argument("--weights", type=Path, help="keep the pretrained weights here")
    arguments = parser.parse_args()
    extra = [f"data.root={arguments.root}"] if arguments.root else []
    ways = HEADS if arguments.heads else WAYS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = arguments.weights or folder / "resnet18.pth"
        if not file.is_file():
            pretrain(extra, arguments.epochs, folder / "source", file)
        compare(ways, extra, arguments.transfer_epochs, arguments.seeds, folder, file)


if __name__ == "__main__":
    main()
