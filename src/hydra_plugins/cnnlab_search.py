"""``hydra/sweeper=search``: Hydra finds sweepers in this namespace only; the work is done in cnnlab.study."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from cnnlab.study.search import Search, Trial


class SearchSweeper(Sweeper):
    """Launches the trials of a search, as many at a time as the launcher has processes.

    Args:
        settings: of :class:`cnnlab.study.search.SearchSettings`.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - checked where they are read
        self.settings = settings
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives, and make the launcher."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until there are as many as asked for.

        Args:
            arguments: overrides, some of them sweeps.

        Raises:
            UserError: for whatever the search refuses.
        """
        from cnnlab.study.objective import common_objective
        from cnnlab.study.search import Search, SearchSettings
        from cnnlab.study.space import read_space
        from cnnlab.training.result import config_fingerprint

        assert self.config is not None  # noqa: S101 - setup was called
        settings, space = SearchSettings.read(self.settings), read_space(arguments)
        folder = Path(str(self.config.hydra.sweep.dir))
        corners = [self._compose(job) for job in space.corners()]
        search = Search(
            settings,
            space,
            folder,
            direction=common_objective(corners)[1],
            base=config_fingerprint(corners[0]),
        )
        while batch := search.ask(settings.n_jobs or self._processes()):
            # A launcher numbers its jobs one after the other.
            for _, stretch in groupby(enumerate(batch), key=lambda item: item[1].number - item[0]):
                self._run(search, [trial for _, trial in stretch], folder)

    def _compose(self, job: list[str]) -> DictConfig:
        assert self.config is not None  # noqa: S101 - setup was called
        assert self.hydra_context is not None  # noqa: S101
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, job)
        return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])

    def _processes(self) -> int:
        """How many jobs the launcher runs at a time."""
        assert self.config is not None  # noqa: S101 - setup was called
        asked = self.config.hydra.launcher.get("n_jobs", 1)
        return int(asked) if asked > 0 else max(1, (os.cpu_count() or 1) + 1 + int(asked))

    def _run(self, search: "Search", trials: Sequence["Trial"], folder: Path) -> None:
        from cnnlab.study.stopping import Stopping

        assert self.launcher is not None  # noqa: S101 - setup was called
        self.launcher.launch([trial.overrides for trial in trials], initial_job_idx=trials[0].number)
        Stopping(folder).end_if_asked()  # the trials that were stopped go on when the search does
        for trial in trials:
            found = sorted(folder.glob(f"{trial.number}_*"))
            search.tell(trial, found[0] if found else None)
