"""What a network's raw samples look like: kept with a run and in its exports, which then need no data set."""

import json
import math
from dataclasses import asdict, dataclass
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from cnnlab.data.ragged import Cut, Padding
from cnnlab.data.spec import DataSpec
from cnnlab.data.vocabulary import FIRST_WORD

MOST_NUMBERS = 1 << 27  # of one sample


@dataclass(frozen=True)
class Column:
    """A column of a table as it stands in its file.

    Args:
        name: of the column.
        categories: one feature for each; None is a column of numbers, which is a feature as it is.
        missing: what stands for a missing value beside the empty field.

    Examples:
        >>> Column("colour", ("blue", "red")).feature_names
        ('colour=blue', 'colour=red')
    """

    name: str
    categories: tuple[str, ...] | None = None
    missing: tuple[str, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that the column becomes."""
        return (self.name,) if self.categories is None else tuple(f"{self.name}={c}" for c in self.categories)


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """All that is needed to make batches of raw files and arrays, without the data set itself.

    Args:
        spec: shapes, classes and names.
        vocabulary: of texts: ``vocabulary[i]`` has the id ``2 + i``.
        padding: of texts: where the zeros of a short one stand.
        cut: of texts: which end of a long one is left out.
        columns: of tables: those that become features, in their order.
        file_columns: of tables: names of all columns of the file, the target among them.
        header: of tables: the line that names the columns as it stands in the file, empty without one; None
            where that is not known.
        target_name: of tables: what is predicted.
        permutation: of images: which pixel comes to each place; empty leaves them where they are.

    Raises:
        ValueError: if the parts do not fit each other.

    Examples:
        >>> spec = DataSpec("digits", "image", (1, 8, 8), "classes", 2, ("zero", "one"))
        >>> InputFormat.from_json(InputFormat(spec=spec).as_json()).spec == spec
        True
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    spec: DataSpec
    vocabulary: tuple[str, ...] = ()
    padding: Padding = "before"
    cut: Cut = "start"
    columns: tuple[Column, ...] = ()
    file_columns: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None
    target_name: str = ""
    permutation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        spec, shape = self.spec, self.spec.input_shape
        if not shape or min(*shape, spec.outputs, MOST_NUMBERS) < 1 or math.prod(shape) > MOST_NUMBERS:
            raise ValueError(f"a sample of shape {shape} with {spec.outputs} outputs cannot be")
        if len(shape) != (3 if spec.kind == "image" else 1):
            raise ValueError(f"{spec.kind} has no samples of shape {shape}")
        if spec.kind in ("tokens", "counts") and len(self.vocabulary) > spec.vocabulary_size - FIRST_WORD:
            raise ValueError(f"{len(self.vocabulary)} words are too many for {spec.vocabulary_size} ids")
        names = tuple(name for column in self.columns for name in column.feature_names)
        if spec.kind == "tabular" and (names != spec.feature_names or len(names) != shape[0]):
            raise ValueError("the columns are not those of the features")
        if self.permutation and sorted(self.permutation) != list(range(math.prod(shape[1:]))):
            raise ValueError("the permutation is not one of the pixels")

    def as_json(self) -> str:
        """Text of a JSON object, which :meth:`from_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "InputFormat":
        """Read what :meth:`as_json` wrote, or a stranger did.

        Raises:
            ValueError: in one line, if it is not that.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"{place}: {first['msg']}".lstrip(": ").partition("\n")[0]) from error
