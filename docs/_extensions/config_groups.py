"""The directive ``config-groups``: the config groups with their options, read from conf/ at build time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cnnlab.cli.help import EXAMPLES
from cnnlab.config.conf import conf_dir, groups, meaning

PURPOSES = {
    "callbacks": "What is done beside the training: checkpoints, early stopping.",
    "data": "The data set, how it is split, served and augmented.",
    "experiment": "Recipes. Each chooses options of the other groups and sets their values.",
    "hydra": "Where run folders and study folders go.",
    "hydra/sweeper": "How the jobs of a study are chosen. Without it all combinations are run.",
    "logger": "What is written for viewers.",
    "model": "The network and its preprocessing.",
    "optimizer": "The rule that changes the weights.",
    "schedule": "The course of the learning rate.",
    "trainer": "The accelerator, the precision, the number of epochs.",
}
# Hydra's own log format is of no interest to a user.
NOT_SHOWN = ("defaults", "_target_", "_partial_", "job", "job_logging", "hydra_logging")


@dataclass(frozen=True)
class Option:
    """One YAML file of a group: what its first comment says, and the values that it sets itself."""

    name: str
    meaning: str
    values: tuple[str, ...]


def read_option(path: Path, name: str) -> Option:
    """Read a YAML file of conf/, which is chosen by this name.

    Raises:
        ValueError: if it does not begin with a comment that says what it is.
    """
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    chosen = [entry for entry in values.get("defaults", []) if isinstance(entry, dict)]
    overridden = [
        f"{key.removeprefix('override /')}: {name}" for entry in chosen for key, name in entry.items()
    ]
    return Option(name, meaning(path), (*overridden, *_flat(values)))


def read_groups() -> dict[str, list[Option]]:
    """Read every option that a user may choose, by group."""
    root = conf_dir()
    return {
        group: [read_option(root / group / f"{name}.yaml", name) for name in names]
        for group, names in groups().items()
    }


def chosen_by_default() -> dict[str, str]:
    """Read which option of each group conf/config.yaml chooses."""
    config = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))
    chosen = [entry for entry in config["defaults"] if isinstance(entry, dict)]
    return {group: option or "none" for entry in chosen for group, option in entry.items()}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if key in NOT_SHOWN:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}: {_written(value)}"


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    text = "null" if value is None else str(value)
    return text.lower() if isinstance(value, bool) else text


class ConfigGroups(SphinxDirective):
    """A section for each group: its default, an example, its options, the values that they share."""

    def run(self) -> list[nodes.Node]:
        """Build the sections."""
        for file in conf_dir().rglob("*.yaml"):
            self.env.note_dependency(str(file))
        default = chosen_by_default()
        return [
            self._section(group, options, default.get(group, "none"))
            for group, options in read_groups().items()
        ]

    def _section(self, group: str, options: list[Option], default: str) -> nodes.section:
        section = nodes.section("", nodes.title("", group), ids=[f"group-{group}"], names=[group])
        section["support_smartquotes"] = False  # --logdir is no dash
        text = f"{PURPOSES[group]} Default: "
        section += nodes.paragraph("", text, nodes.literal("", default), nodes.Text("."))
        example = nodes.literal_block("", f"python -m cnnlab {EXAMPLES[group]}")
        example["language"] = "text"
        section += example
        section += _table(options, default)
        for file in sorted((conf_dir() / group).glob("_*.yaml")):
            block = nodes.literal_block("", file.read_text(encoding="utf-8").rstrip())
            block["language"] = "yaml"
            name = nodes.literal("", f"conf/{group}/{file.name}")
            section += nodes.paragraph("", "Shared values, ", name, nodes.Text(":"))
            section += block
        return section


def _table(options: list[Option], default: str) -> nodes.table:
    columns = (("option", 20), ("meaning", 36), ("values that it sets", 44))
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for _, width in columns), cols=len(columns))
    group += nodes.thead("", _row(*(nodes.paragraph("", heading) for heading, _ in columns)))
    body = nodes.tbody()
    for option in options:
        name = nodes.paragraph("", "", nodes.literal("", option.name))
        if option.name == default:
            name += nodes.Text(" (default)")
        lines = [nodes.line("", "", nodes.literal("", value)) for value in option.values]
        body += _row(name, nodes.paragraph("", option.meaning), nodes.line_block("", *lines))
    group += body
    return nodes.table("", group, classes=["config-groups", "colwidths-given"])


def _row(*cells: nodes.Node) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("config-groups", ConfigGroups)
    return {"parallel_read_safe": True}
