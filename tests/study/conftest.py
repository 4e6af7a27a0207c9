from functools import cache

import pytest

from cnnlab.config.compose import compose
from cnnlab.study.runs import read_run
from cnnlab.training.folder import RESULT, RunFolder
from cnnlab.training.result import Result

SMALL = ("data.size=8", "model=linear")
compose_once = cache(compose)


def composed(told):
    """Compose once for all runs that differ in single values."""
    chosen = tuple(
        word for word in told if "." not in word.partition("=")[0] and not word.startswith("seed=")
    )
    cfg = compose_once((*SMALL, *chosen)).copy()
    cfg.merge_with_dotlist([word for word in told if word not in chosen])
    return cfg


@pytest.fixture
def left(tmp_path):
    """Leave a run folder as a training would, with figures that are made up; gives it as read."""

    def leave(name, told, val=0.5, test=0.5, *, status="finished", followed="val/accuracy", **said):
        cfg = composed(told)
        folder = tmp_path / "study" / name
        RunFolder(folder).write_config(cfg, [*SMALL, *told])
        quantity = followed.partition("/")[2]
        result = Result(
            status=status,
            val={quantity: val},
            test={quantity: test},
            followed=followed,
            seconds=said.pop("seconds", 10.0),
            parameters=said.pop("parameters", 650),
            **said,
        )
        result.write(folder / RESULT)
        return read_run(folder)

    return leave
