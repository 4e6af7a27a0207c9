import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from cnnlab.config.compose import compose
from cnnlab.data.tabular import CSV, XOR, Boston, LogisticMap, Pima, RandomTable
from cnnlab.errors import UserError
from cnnlab.training.run import run


def ready(data):
    data.prepare_data()
    data.setup()
    return data


def test_the_folds_test_each_sample_once():
    tested = [ready(Pima(folds=5, fold=fold)).splits.test.rows for fold in range(5)]
    assert sorted(np.concatenate(tested).tolist()) == list(range(768))
    labels = ready(Pima()).samples("train").targets.numpy()
    assert max(labels[rows].mean() for rows in tested) - min(labels[rows].mean() for rows in tested) < 0.01


def test_a_fold_is_none_of_its_training_samples():
    for part in ("train", "val"):
        data = ready(Boston(folds=4, fold=2))
        assert not set(getattr(data.splits, part).rows) & set(data.splits.test.rows)


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"folds": 3, "fold": 3}, {"fold": 1}])
def test_wrong_folds_are_refused(wrong):
    with pytest.raises(UserError, match=r"data\.fold"):
        Pima(**wrong)


def test_more_folds_than_samples_are_refused():
    with pytest.raises(UserError, match=r"data\.folds=800: allowed is 2 to"):
        ready(Pima(folds=800))


def test_equal_rows_stay_on_one_side(tmp_path):
    path = tmp_path / "twins.csv"
    path.write_text("x,y\n" + "".join(f"{i // 3},{'ab'[i // 3 % 2]}\n" for i in range(300)))
    data = ready(CSV(path=path, test=0.3, validation=0.2))
    values = data.samples("train").features[:, 0].numpy()
    seen = [set(values[part.rows]) for part in data.splits.parts()]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    assert sum(len(part.rows) for part in data.splits.parts()) == 300


def test_zero_and_minus_zero_are_one_value(tmp_path):
    path = tmp_path / "zeros.csv"
    rows = [f"{i},{zero},{'ab'[i % 2]}" for i in range(40) for zero in ("0.0", "-0.0", "1")]
    path.write_text("\n".join(["x,z,y", *rows]))
    data = ready(CSV(path=path, folds=5))
    pairs = data.samples("train").features.tolist()
    seen = [{tuple(pairs[row]) for row in part.rows} for part in data.splits.parts()]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


def test_xor_trains_and_tests_on_its_four_points():
    data = ready(XOR())
    assert data.counts() == {"train": 4, "val": 4, "test": 4}
    inputs, targets = next(iter(data.test_dataloader()))
    assert targets.tolist() == [int(a) ^ int(b) for a, b in inputs.tolist()]


def test_the_logistic_map_is_tested_on_fresh_points():
    data = ready(LogisticMap(points=10))
    assert data.counts() == {"train": 10, "val": 5, "test": 1000}
    inputs, targets = next(iter(data.test_dataloader()))
    torch.testing.assert_close(targets, 4 * inputs * (1 - inputs))


def test_noise_has_as_many_rows_as_are_asked_for():
    assert sum(ready(RandomTable(samples_drawn=50, features=3, classes=5)).counts().values()) == 50


def test_a_linear_network_reaches_least_squares(tmp_path):
    settings = ["data=boston", "model=linear", "optimizer=adam", "optimizer.lr=1.0", "data.batch_size=all"]
    cfg = compose(
        [
            *settings,
            "trainer.max_epochs=600",
            "logger=none",
            "trainer.accelerator=cpu",
            "trainer.check_val_every_n_epoch=100",
        ]
    )
    result = run(cfg, tmp_path)
    data = ready(Boston(validation=0.1))
    samples, splits = data.samples("train"), data.splits
    features, targets = samples.features.numpy(), samples.targets.numpy()
    fit = LinearRegression().fit(features[splits.train.rows], targets[splits.train.rows])
    expected = np.abs(fit.predict(features[splits.test.rows]) - targets[splits.test.rows]).mean()
    assert result.test["mae"] == pytest.approx(expected, rel=0.05)
    assert set(result.test) == {"loss", "mae", "rmse", "r2"}
