"""What a data set and a network agree on, known before any file is read."""

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "tabular", "counts", "tokens"]
Target = Literal["classes", "values", "image"]


@dataclass(frozen=True)
class DataSpec:
    """The shape of a data set: all that a network needs to know of it.

    Args:
        name: name of the data set, as typed after ``data=``.
        kind: ``image`` (uint8, channels first), ``tabular`` (float32 rows), ``counts`` (of words, float32) or
            ``tokens`` (int64 ids).
        input_shape: shape of one sample without the batch: ``(channels, height, width)`` for images.
        target: ``classes`` (int64 labels ``0 <= y < outputs``), ``values`` (float32 rows) or
            ``image`` (uint8, of the input's shape).
        outputs: number of classes, or of values to predict.
        class_names: one name per class; empty where the target is values.
        feature_names: one name per column of a table; empty elsewhere.
        vocabulary_size: number of token ids; 0 elsewhere.

    Raises:
        ValueError: if the number of class names is not the number of outputs.

    Examples:
        >>> spec = DataSpec("digits", "image", (1, 32, 32), "classes", 2, class_names=("zero", "one"))
        >>> spec.features
        1024
    """

    name: str
    kind: Kind
    input_shape: tuple[int, ...]
    target: Target
    outputs: int
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    vocabulary_size: int = 0

    def __post_init__(self) -> None:
        if self.class_names and len(self.class_names) != self.outputs:
            raise ValueError(f"{len(self.class_names)} class names for {self.outputs} outputs")

    @property
    def features(self) -> int:
        """Number of numbers in one sample."""
        return math.prod(self.input_shape)
