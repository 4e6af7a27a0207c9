"""How well anything tells Pima's two classes apart: models of scikit-learn over the same five folds.

    python benchmarks/pima_models.py [--splits 6]

The table that cnnlab ships, the columns of the experiment best/pima in which a zero is a missing value, and
nothing chosen: each model as it stands here, its statistics fitted on the training folds alone. Printed is
the mean accuracy of five stratified folds, as mean and standard deviation over several ways to cut them.
"""

import argparse

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler
from sklearn.svm import SVC

from cnnlab.data.tables import pima

FOLDS = 5


def models() -> dict[str, BaseEstimator]:
    """The models by their names, each with the filling in and the scaling that it wants."""
    filled = SimpleImputer(strategy="mean")
    told = SimpleImputer(strategy="mean", add_indicator=True)
    return {
        "logistic regression": make_pipeline(filled, StandardScaler(), LogisticRegression()),
        "logistic regression, told what was missing": make_pipeline(
            told, StandardScaler(), LogisticRegression()
        ),
        "logistic regression of all products of two": make_pipeline(
            filled, StandardScaler(), PolynomialFeatures(2), LogisticRegression(C=0.05)
        ),
        "logistic regression of splines": make_pipeline(
            filled,
            SplineTransformer(4, extrapolation="linear"),
            StandardScaler(),
            LogisticRegression(C=0.02),
        ),
        "support vectors, radial": make_pipeline(told, StandardScaler(), SVC(C=0.3, gamma=0.03)),
        "random forest of 200 trees": make_pipeline(
            filled, RandomForestClassifier(200, min_samples_leaf=5, random_state=0)
        ),
    }


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=6)
    splits = parser.parse_args().splits
    table = pima()
    cut = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=splits, random_state=0)
    for name, model in models().items():
        found = cross_val_score(model, table.features, table.targets, cv=cut)
        means = np.asarray(found).reshape(splits, FOLDS).mean(1)
        print(f"{name:45} {means.mean():.4f} ± {means.std(ddof=1):.4f}")


if __name__ == "__main__":
    main()
