"""What an exported file says beside its weights, so that it is enough by itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from cnnlab import __version__
from cnnlab.data.input_format import InputFormat
from cnnlab.errors import UserError, reason
from cnnlab.models.module import NetworkModule
from cnnlab.training.config_text import checked_config, parsed_yaml, plain_text
from cnnlab.training.folder import CONFIG, RunFolder


@dataclass(frozen=True)
class About:
    """Config, raw samples and epoch of an exported network.

    Args:
        config: text of the run's YAML.
        form: what the raw samples look like.
        epoch: that the weights are of, counted from 1.
        preprocess: names of the fitted steps.
    """

    config: str
    form: InputFormat
    epoch: int
    preprocess: tuple[str, ...]

    @classmethod
    def of(cls, place: RunFolder, module: NetworkModule, form: InputFormat, epoch: int) -> "About":
        """Describe the network of a run."""
        return cls(plain_text(place.path / CONFIG), form, epoch, tuple(sorted(module.preprocess.steps)))

    def as_texts(self) -> dict[str, str]:
        """Texts by their names, for a file's metadata."""
        return {
            "cnnlab": __version__,
            "config": self.config,
            "data": self.form.as_json(),
            "class_names": json.dumps(self.form.spec.class_names, ensure_ascii=False),
            "preprocessing": json.dumps(self.preprocess),
            "epoch": str(self.epoch),
        }

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], where: Path) -> "About":
        """Read what :meth:`as_texts` gave.

        Raises:
            UserError: if a part is missing or wrong.
        """
        try:
            steps = json.loads(texts["preprocessing"])
            form = InputFormat.from_json(texts["data"])
            return cls(texts["config"], form, int(texts["epoch"]), tuple(map(str, steps)))
        except KeyError as error:
            raise UserError(f"{where}: not a network that cnnlab exported (it has no {error}).") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{where}: not a network that cnnlab exported ({reason(error)}).") from error

    def checked_config(self, where: Path) -> DictConfig:
        """The config, checked as one that was typed is.

        Raises:
            UserError: if it holds what cnnlab would not call.
        """
        return checked_config(parsed_yaml(self.config, where), where)
