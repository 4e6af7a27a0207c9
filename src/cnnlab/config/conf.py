"""Where conf/ lies, and what it offers."""

from pathlib import Path

HYDRA = "hydra"


def conf_dir() -> Path:
    """Folder of the configuration: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def meaning(file: Path) -> str:
    """What a YAML file of conf/ says of itself: its first comment.

    Raises:
        ValueError: if it does not begin with one.

    Examples:
        >>> meaning(conf_dir() / "data" / "xor.yaml")
        'The exclusive or: four points, which train, validate and test.'
    """
    comments = [line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    found = next((line for line in comments if line and not line.startswith("@package")), "")
    if not found:
        raise ValueError(f"{file} does not begin with a comment that says what it is")
    return found


def groups() -> dict[str, list[str]]:
    """Each config group with the options that a user may choose.

    Examples:
        >>> "vgg_like" in groups()["model"]
        True
    """
    root = conf_dir()
    hydra = root / HYDRA
    own = [folder for folder in root.iterdir() if folder.is_dir() and folder != hydra]
    # What else lies in conf/hydra are groups of Hydra's.
    of_hydra = [folder for folder in hydra.iterdir() if folder.is_dir()]
    found = {folder.name: _options(folder, "**/*.yaml") for folder in own} | {
        HYDRA: _options(hydra, "*.yaml")
    }
    found |= {f"{HYDRA}/{folder.name}": _options(folder, "*.yaml") for folder in of_hydra}
    return dict(sorted(found.items()))


def _options(folder: Path, pattern: str) -> list[str]:
    return sorted(
        str(file.relative_to(folder).with_suffix(""))
        for file in folder.glob(pattern)
        if not file.name.startswith("_")
    )
