"""The two tables that come with cnnlab; README.txt beside them says whose they are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cnnlab.data.csvfile import Table, read_csv

BOSTON_COLUMNS = (
    "CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT", "MEDV",
)  # fmt: skip
BOSTON_UNITS = {
    "ZN": "% of land", "INDUS": "% of land", "NOX": "parts per 10 million", "RM": "rooms", "AGE": "%",
    "TAX": "$ per 10,000 $", "PTRATIO": "pupils/teacher", "LSTAT": "%", "MEDV": "1000 $",
}  # fmt: skip
PIMA_COLUMNS = (
    "pregnancies", "glucose", "pressure", "triceps", "insulin", "bmi", "pedigree", "age", "diabetes",
)  # fmt: skip
PIMA_CLASSES = ("no diabetes", "diabetes")
PIMA_MISSING = ("glucose", "pressure", "triceps", "insulin", "bmi")

_FOLDER = Path(__file__).parent


def boston() -> Table:
    """House prices in Boston (Harrison and Rubinfeld 1978): 506 tracts, 13 features, no missing value.

    Returns:
        Features ``(506, 13)``, named as in :data:`BOSTON_COLUMNS`; targets ``(506, 1)``, MEDV, the median
        price of a house in 1000 dollars.

    Examples:
        >>> table = boston()
        >>> table.features.shape, table.targets[0], table.target_name
        ((506, 13), array([24.], dtype=float32), 'MEDV')
    """
    table = read_csv(
        _FOLDER / "housing.csv", header=False, names=BOSTON_COLUMNS, target="MEDV", task="values"
    )
    return replace(table, units=BOSTON_UNITS)


def pima(missing: Sequence[str] = PIMA_MISSING) -> Table:
    """Diabetes among 768 Pima women (Smith et al. 1988): 8 features, two classes.

    Args:
        missing: columns in which a zero is a missing value; none leaves the zeros alone.

    Returns:
        Features ``(768, 8)``, named as in :data:`PIMA_COLUMNS`; targets ``(768,)``.

    Raises:
        UserError: if a name in ``missing`` is no column.

    Examples:
        >>> table = pima()
        >>> table.features[0], table.class_names[table.targets[0]]
        (array([  6.   , 148.   ,  72.   ,  35.   ,     nan,  33.6  ,   0.627,
                 50.   ], dtype=float32), 'diabetes')
    """
    table = read_csv(
        _FOLDER / "pima-indians-diabetes.csv",
        header=False,
        names=PIMA_COLUMNS,
        target="diabetes",
        missing={name: ["0"] for name in missing},
        task="classes",
    )
    return replace(table, class_names=PIMA_CLASSES)
