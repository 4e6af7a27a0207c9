"""Pretrained weights: torchvision's by their name, or a local file in torchvision's format."""

import contextlib
import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from cnnlab.downloads import DOWNLOAD_FAILURES, network_timeout, note_download, without_secrets
from cnnlab.errors import UserError, did_you_mean, reason
from cnnlab.torchfile import read_torch_file

OUR_BODY = "network.body."  # where a checkpoint of cnnlab's own has what torchvision calls by no prefix
LAST_LAYER = "fc."  # as torchvision calls a ResNet's; it belongs to the classes that it was trained on
OPTIONAL = "num_batches_tracked"  # files written before 2018 lack it, and nothing here reads it
SHOWN_MISFITS = 3


def load_pretrained(body: nn.Module, weights: str, architecture: str) -> None:
    """Put pretrained weights into a network's body, all of them or none.

    A file is a plain state dict as ``torch.save(network.state_dict(), path)`` writes it, or a checkpoint of a
    ResNet that cnnlab trained; it is read with ``weights_only=True``, so that it cannot run code. Its last
    layer, of whatever width, is left out. On the meta device neither a download nor a file is read, but a
    wrong name or a missing file is still refused.

    Args:
        body: the first modules of torchvision's network, under torchvision's names.
        weights: a name of torchvision's (``IMAGENET1K_V1``), or the path of a file.
        architecture: torchvision's name of the whole network: ``resnet50``.

    Raises:
        UserError: if there is no such name or file, it cannot be fetched or read, or is of another network.

    Examples:
        >>> import tempfile, torchvision
        >>> file = Path(tempfile.mkdtemp()) / "birds.pth"
        >>> torch.save(torchvision.models.resnet18(num_classes=200).state_dict(), file)
        >>> load_pretrained(torchvision.models.resnet18(), str(file), "resnet18")
    """
    source = locate(weights, architecture)
    if any(tensor.is_meta for tensor in body.state_dict().values()):
        return
    path = source if isinstance(source, Path) else fetch(source, architecture)
    found = read(path)
    kept = [name for name in body.state_dict() if not name.startswith(LAST_LAYER)]
    _refuse_misfits(path, found, kept, architecture)
    if ruined := [name for name in kept if name in found and not found[name].isfinite().all()]:
        raise UserError(f"model.weights={path}: {ruined[0]} holds what is no number.")
    body.load_state_dict({name: found[name] for name in kept if name in found}, strict=False)


def locate(weights: str, architecture: str) -> Path | str:
    """Return the path of a local file, or the URL of torchvision's weights of that name; reads neither.

    Raises:
        UserError: if it is neither a name nor a file.

    Examples:
        >>> locate("IMAGENET1K_V1", "resnet18")
        'https://download.pytorch.org/models/resnet18-f37072fd.pth'
    """
    import torchvision.models  # a second to import

    named = {entry.name: str(entry.url) for entry in torchvision.models.get_model_weights(architecture)}
    if weights in named:
        return named[weights]
    path = Path(weights).expanduser()
    with _readable(path):
        if path.is_file():
            return path
        what = "a folder, not a file of weights" if path.is_dir() else "no file, and no name of torchvision's"
    raise UserError(
        f"model.weights={weights}: it is {what}; allowed are {', '.join(named)} (torchvision's of"
        f" {architecture}), a file in torchvision's format, or null"
        f"{did_you_mean(weights.upper(), named) or '.'}"
    )


def fetch(url: str, architecture: str) -> Path:
    """Return the file of a URL in torch's own cache, downloaded if it is not there, with its checksum tested.

    Args:
        url: ends in a name with the first digits of the file's SHA-256, as ``resnet18-f37072fd.pth``.
        architecture: for the messages.

    Raises:
        UserError: if it cannot be downloaded, or is not the official file; the message says what to do.
    """
    name = Path(urlparse(url).path).name
    digits = name.rpartition("-")[2].partition(".")[0]
    path = Path(torch.hub.get_dir()).expanduser() / "checkpoints" / name
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with network_timeout():
                torch.hub.download_url_to_file(url, str(path), digits, progress=sys.stderr.isatty())
            note_download(path, url, f"sha256:{digits}")
        except DOWNLOAD_FAILURES as error:
            raise UserError(
                f"model.weights: {without_secrets(url)} could not be downloaded ({reason(error)}):"
                f" put {name} into {path.parent}, or say model.weights=FILE for a local file of weights of"
                f" {architecture}, or model.weights=null for none."
            ) from error
    with _readable(path), path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digits):
        raise UserError(
            f"model.weights: {path} is not the official file, since its SHA-256 begins with"
            f" {found[: len(digits)]} and not {digits}; delete it and it is downloaded anew."
        )
    return path


def read(path: Path) -> dict[str, Tensor]:
    """Read a state dict: tensors by torchvision's names, on the CPU; of cnnlab's checkpoints the body alone.

    Raises:
        UserError: if the file cannot be read, is damaged, or holds anything else.
    """
    with _readable(path):
        found = _loaded(path)
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        ours = {str(name): tensor for name, tensor in found["state_dict"].items()}
        found = {k.removeprefix(OUR_BODY): v for k, v in ours.items() if k.startswith(OUR_BODY)}
        if not found:
            raise UserError(
                f"model.weights={path}: it is a checkpoint, but not of a ResNet that cnnlab trained;"
                " write its weights alone with torch.save(network.state_dict(), FILE)."
            )
    if not isinstance(found, Mapping) or not found:
        raise UserError(f"model.weights={path}: it holds no weights, but a {type(found).__name__}.")
    odd = next((k for k, v in found.items() if not (isinstance(k, str) and isinstance(v, Tensor))), None)
    if odd is not None:
        raise UserError(
            f"model.weights={path}: it is no plain state dict, since {odd!r} is no tensor;"
            " write one with torch.save(network.state_dict(), FILE)."
        )
    return dict(found)


def _loaded(path: Path) -> object:
    try:
        return read_torch_file(path)
    except OSError:
        raise
    except Exception as error:  # whatever rubbish makes torch's reader stumble over
        # Without torch's reason, which advises to trust the file.
        raise UserError(
            f"model.weights={path}: it is damaged, or no state dict as torch.save writes it."
        ) from error


def _refuse_misfits(path: Path, found: Mapping[str, Tensor], kept: list[str], architecture: str) -> None:
    """Compare names and shapes with those of the whole network, of which the body may be a part."""
    import torchvision.models  # a second to import

    with torch.device("meta"):
        whole = torchvision.models.get_model(architecture, weights=None).state_dict()
    misfits = [f"{name} is missing" for name in kept if name not in found and not name.endswith(OPTIONAL)]
    for name, tensor in found.items():
        if name.startswith(LAST_LAYER):
            continue
        if name not in whole:
            misfits.append(f"{name} is not in it")
        elif tensor.shape != whole[name].shape:
            misfits.append(f"{name} is {_size(tensor)}, not {_size(whole[name])}")
    if misfits:
        more = f" and {len(misfits) - SHOWN_MISFITS} more" if len(misfits) > SHOWN_MISFITS else ""
        raise UserError(
            f"model.weights={path}: these are not the weights of a {architecture}:"
            f" {', '.join(misfits[:SHOWN_MISFITS])}{more}."
        )


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"model.weights={path}: it cannot be read: {error.strerror or error}.") from error
