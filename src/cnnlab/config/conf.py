"""Where conf/ lies, and what it offers."""

from pathlib import Path


def conf_dir() -> Path:
    """Folder of the configuration: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def groups() -> dict[str, list[str]]:
    """Each config group with the options that a user may choose.

    Examples:
        >>> "vgg_like" in groups()["model"]
        True
    """
    root = conf_dir()
    return {
        folder.name: sorted(
            str(file.relative_to(folder).with_suffix(""))
            for file in folder.rglob("*.yaml")
            if not file.name.startswith("_")
        )
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    }
