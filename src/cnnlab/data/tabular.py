"""Data modules of tables: those that come with cnnlab, those that are computed, and any CSV file."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from cnnlab.config.ranges import Count, Fraction
from cnnlab.data.csvfile import Table, Task, read_csv
from cnnlab.data.datamodule import Content, DataModule
from cnnlab.data.generated import (
    MOST_STEPS,
    logistic_map_path,
    logistic_map_step,
    random_table,
    xor,
)
from cnnlab.data.input_format import Column, InputFormat
from cnnlab.data.samples import Rows
from cnnlab.data.spec import DataSpec
from cnnlab.data.tables import boston, pima
from cnnlab.errors import UserError

MOST_DRAWN = 10**9  # numbers of a random table, 4 GB
FRESH_POINTS = 1000  # of the logistic map, to test on


@dataclass(kw_only=True, eq=False, repr=False)
class TabularDataModule(DataModule):
    """A table that is small enough to be read anew in each run, so that it is never out of date.

    A subclass names its data set and gives its :meth:`tables`.
    """

    @property
    @abstractmethod
    def dataset_name(self) -> str:
        """Name of the data set."""

    @abstractmethod
    def tables(self) -> dict[str, Table]:
        """Tables by split: ``train`` alone where the splits are cut from it."""

    @cached_property
    def read(self) -> dict[str, Table]:
        """The tables, read once."""
        return self.tables()

    @property
    def spec(self) -> DataSpec:
        """Columns and targets of the table."""
        table = self.read["train"]
        features = table.features.shape[1]
        if table.class_names:
            return DataSpec(
                self.dataset_name,
                "tabular",
                (features,),
                "classes",
                len(table.class_names),
                table.class_names,
                table.feature_names,
            )
        outputs = table.targets.shape[1]
        return DataSpec(self.dataset_name, "tabular", (features,), "values", outputs, (), table.feature_names)

    @property
    def input_format(self) -> InputFormat:
        """Rows, and the columns that they are made of."""
        table = self.read["train"]
        return InputFormat(
            spec=self.spec,
            columns=table.columns or tuple(map(Column, table.feature_names)),
            file_columns=table.file_columns or (*table.feature_names, table.target_name),
            header=table.header,
            target_name=table.target_name,
        )

    def contents(self) -> dict[str, Content]:
        """Classes, or zeros for values, and digests of the rows."""
        found = {}
        for name, table in self.read.items():
            features = table.features + 0.0  # which makes 0 of -0
            rows = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in features]
            zeros = np.zeros(len(table.targets), np.int64)
            labels = table.targets.astype(np.int64) if table.class_names else zeros
            found[name] = Content(labels, np.frombuffer(b"".join(rows), np.uint64))
        return found

    def stored_samples(self, stored: str) -> Rows:
        """All rows of a table."""
        table = self.read[stored]
        return Rows(torch.from_numpy(table.features), torch.from_numpy(table.targets))

    def checksum(self) -> str:
        """Digest of all tables."""
        digest = hashlib.sha256()
        for name, table in self.read.items():
            digest.update(name.encode() + table.features.tobytes() + table.targets.tobytes())
        return digest.hexdigest()


@dataclass(kw_only=True, eq=False, repr=False)
class Boston(TabularDataModule):
    """House prices in Boston (Harrison and Rubinfeld 1978); comes with cnnlab.

    Examples:
        >>> Boston().spec.target, Boston().spec.feature_names[-1]
        ('values', 'LSTAT')
    """

    dataset_name = "boston"
    test: Count | Fraction | None = 0.2

    def tables(self) -> dict[str, Table]:
        """One table, which is split."""
        return {"train": boston()}


@dataclass(kw_only=True, eq=False, repr=False)
class Pima(TabularDataModule):
    """Diabetes among Pima women (Smith et al. 1988); comes with cnnlab.

    Args:
        missing: columns in which a zero stands for a missing value.

    Examples:
        >>> Pima(missing=["glucose"]).spec.class_names
        ('no diabetes', 'diabetes')
    """

    dataset_name = "pima"
    test: Count | Fraction | None = 0.2
    missing: Sequence[str] = ()

    def tables(self) -> dict[str, Table]:
        """One table, which is split."""
        return {"train": pima(self.missing)}


@dataclass(kw_only=True, eq=False, repr=False)
class CSV(TabularDataModule):
    """Any CSV file, see :func:`cnnlab.data.csvfile.read_csv` for the settings.

    Args:
        path: the file.
        target: the column to predict, by name or position (-1 is the last).
        header: whether the first line names the columns; null looks.
        names: names of the columns, in place of the header's.
        missing: what stands for a missing value, by column, or for all of them under ``*``.
        categorical: columns that become one column per category.
        drop: columns that are left out.
        task: ``classes``, ``values``, or ``auto``.
    """

    dataset_name = "csv"
    test: Count | Fraction | None = 0.2
    path: str | Path
    target: str | int = -1
    header: bool | None = None
    names: Sequence[str] = ()
    missing: Mapping[str, Sequence[str | float]] | None = None
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()
    task: Task = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.read

    def tables(self) -> dict[str, Table]:
        """One table, which is split."""
        table = read_csv(
            self.path,
            target=self.target,
            header=self.header,
            names=self.names,
            missing=self.missing,
            categorical=self.categorical,
            drop=self.drop,
            task=self.task,
        )
        return {"train": table}


@dataclass(kw_only=True, eq=False, repr=False)
class XOR(TabularDataModule):
    """The exclusive or: its four points are all that there is, to train, to validate and to test on."""

    dataset_name = "xor"
    validation: Count | Fraction | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds is not None:
            raise UserError("data.folds: the exclusive or has four points, each of which must be trained on.")

    def tables(self) -> dict[str, Table]:
        """The four points, three times."""
        return dict.fromkeys(("train", "val", "test"), xor())


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticMap(TabularDataModule):
    """The logistic map ``x -> 4x(1 - x)``: one step of it, or from x(0) and t to x(t).

    Half as many points validate as are trained on, and 1,000 fresh ones test.

    Args:
        predict: ``step`` or ``path``.
        points: number of training points.
        steps: the largest t of ``path``.
    """

    dataset_name = "logistic_map"
    validation: Count | Fraction | None = None
    predict: Literal["step", "path"] = "step"
    points: Annotated[int, Field(ge=2, le=10**7)] = 24
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 10

    def _draw(self, points: int, seed: int) -> Table:
        if self.predict == "step":
            return logistic_map_step(points, seed)
        return logistic_map_path(points, seed, self.steps)

    def tables(self) -> dict[str, Table]:
        """Three draws of their own."""
        sizes = {"train": self.points, "val": self.points // 2, "test": FRESH_POINTS}
        first = 3 * self.split_seed
        return {name: self._draw(size, first + i) for i, (name, size) in enumerate(sizes.items())}


@dataclass(kw_only=True, eq=False, repr=False)
class RandomTable(TabularDataModule):
    """Features and labels without relation: whatever learns them better than by chance is wrong.

    Args:
        samples_drawn: number of rows.
        features: number of columns.
        classes: number of classes.
    """

    dataset_name = "random"
    test: Count | Fraction | None = 0.2
    samples_drawn: Annotated[int, Field(ge=1, le=10**8)] = 1000
    features: Annotated[int, Field(ge=1, le=10**5)] = 784
    classes: Annotated[int, Field(ge=2, le=10**4)] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples_drawn * self.features > MOST_DRAWN:
            raise UserError(
                f"data.samples_drawn={self.samples_drawn}: with {self.features} features these are "
                f"{self.samples_drawn * self.features:,} numbers; at most {MOST_DRAWN:,} are drawn."
            )

    def tables(self) -> dict[str, Table]:
        """One table, which is split."""
        return {"train": random_table(self.samples_drawn, self.features, self.classes, self.split_seed)}
