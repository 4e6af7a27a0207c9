import csv
import json
import statistics

import pytest

from cnnlab.cli.reproduce import train
from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.study.record import Record
from cnnlab.study.reproduce import Reproduction, shortened
from cnnlab.study.rows import Row, read_rows
from cnnlab.training.result import config_fingerprint

SHORT = ["trainer.max_epochs=2", "trainer.accelerator=cpu", "logger=none"]
RATES = ("0.0001", "0.01")
BOSTON = read_rows()["boston_linear"]


@pytest.fixture
def reproduction(tmp_path):
    def make(**settings):
        settings = {"train": train, "overrides": SHORT, "repetitions": 2, "tell": said.append} | settings
        return Reproduction(
            fingerprint=config_fingerprint, runs=tmp_path / "runs", records=tmp_path / "records", **settings
        )

    said: list[str] = []
    make.said = said
    return make


def refuse(cfg, folder, told):
    raise AssertionError(f"trained again in {folder}")


def test_a_row_is_run_once_and_then_skipped(reproduction, tmp_path):
    first = reproduction().go(BOSTON)
    case = first.cases[""]
    assert len(case.values) == 2
    assert case.values[0] != case.values[1]
    assert (case.partial, case.too_short, case.parameters, case.epochs) == (True, True, 14, [2.0, 2.0])
    assert reproduction(train=refuse).go(BOSTON) == first
    assert Record.read(tmp_path / "records" / "boston_linear.json") == first


def test_finished_runs_are_taken_up_where_the_record_is_lost(reproduction, tmp_path):
    first = reproduction().go(BOSTON)
    (tmp_path / "records" / "boston_linear.json").unlink()
    assert reproduction(train=refuse).go(BOSTON).cases[""].values == first.cases[""].values


def test_more_repetitions_run_those_that_are_missing(reproduction):
    first = reproduction(repetitions=1).go(BOSTON)
    trained = []

    def counted(cfg, folder, told):
        assert compose(told) == cfg
        trained.append(folder.name)
        train(cfg, folder, told)

    second = reproduction(train=counted).go(BOSTON)
    assert trained == ["seed_1"]
    assert second.cases[""].values[:1] == first.cases[""].values


def test_a_variant_that_is_given_up_leaves_the_record(reproduction, tmp_path):
    l2 = {name: (f"model.l2={number}",) for number, name in enumerate("abc", 1)}
    first = reproduction(repetitions=1).go(
        BOSTON.model_copy(update={"variants": {"a": l2["a"], "b": l2["b"]}})
    )
    second = reproduction(repetitions=1).go(BOSTON.model_copy(update={"variants": {"b": l2["b"]}}))
    assert list(first.cases) == ["", "a", "b"]
    assert list(second.cases) == ["", "b"]
    assert second.cases["b"] == first.cases["b"]
    assert Record.read(tmp_path / "records" / "boston_linear.json") == second


def test_a_changed_setting_is_run_anew(reproduction):
    reproduction(repetitions=1).go(BOSTON)
    overrides = [*SHORT[1:], "trainer.max_epochs=3"]
    again = reproduction(repetitions=1, overrides=overrides).go(BOSTON)
    assert again.cases[""].epochs == [3.0]


def test_a_shorter_training_does_not_take_the_place_of_a_whole_one(reproduction):
    row = Row(name="random_sanity")
    assert not reproduction(repetitions=1, overrides=SHORT[1:]).go(row).cases[""].partial
    again = reproduction(repetitions=1, again=True)
    assert again.go(row).cases[""].epochs == [1000.0]
    assert again.tell.__self__[-1] == "random_sanity : what is recorded says more, and is kept."


@pytest.mark.parametrize(("epochs", "fails"), [(100, False), (130, True)])
def test_part_of_a_training_gives_way_to_no_shorter_one_and_to_no_failure(reproduction, epochs, fails):
    kept = reproduction(repetitions=1, overrides=[*SHORT[1:], "trainer.max_epochs=125"]).go(BOSTON)
    assert kept.cases[""].partial

    def broken(cfg, folder, told):
        raise UserError("no data")

    less = reproduction(
        repetitions=1,
        overrides=[*SHORT[1:], f"trainer.max_epochs={epochs}"],
        train=broken if fails else train,
    )
    assert less.go(BOSTON) == kept
    assert less.failed is fails
    longer = reproduction(repetitions=1, overrides=[*SHORT[1:], "trainer.max_epochs=130"]).go(BOSTON)
    assert longer.cases[""].epochs == [130.0]
    part = reproduction(repetitions=1, overrides=[*SHORT[1:], "trainer.max_epochs=126"]).go(BOSTON)
    assert part == longer


def test_part_of_a_training_is_left_where_no_row_is_named(reproduction, tmp_path):
    part = reproduction(repetitions=1, overrides=[*SHORT[1:], "trainer.max_epochs=125"]).go(BOSTON)
    all_rows = reproduction(repetitions=1, overrides=SHORT[1:], shortened_too=False, train=refuse)
    assert all_rows.go(BOSTON) == part
    said = "boston_linear: 125 of 500 epochs are recorded; reproduce boston_linear trains all."
    assert all_rows.tell.__self__[-1] == said
    shortened_too = reproduction(
        repetitions=1,
        overrides=[*SHORT[1:], "trainer.max_epochs=130"],
        shortened_too=False,
        train=refuse,
    )
    with pytest.raises(AssertionError, match="trained again"):
        shortened_too.go(BOSTON)
    with pytest.raises(AssertionError, match="trained again"):
        reproduction(repetitions=1, overrides=SHORT[1:], train=refuse).go(BOSTON)
    part.cases[""].settings = "those of another day"
    part.write(tmp_path / "records" / "boston_linear.json")
    with pytest.raises(AssertionError, match="trained again"):
        all_rows.go(BOSTON)


def test_a_row_keeps_its_own_number_of_runs_unless_told(reproduction):
    row = BOSTON.model_copy(update={"repeats": 2})
    assert len(reproduction(repetitions=None).go(row).cases[""].values) == 2
    assert len(reproduction(repetitions=3).go(row).cases[""].values) == 3


def test_a_training_is_made_no_longer(reproduction):
    longer = reproduction(overrides=["trainer.max_epochs=600", "logger=none"])
    assert longer.told(["experiment=boston_linear"]) == ["experiment=boston_linear", "logger=none"]
    with pytest.raises(UserError, match="max_epochs=-1: trainings can be shortened"):
        reproduction(overrides=["trainer.max_epochs=-1"])


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ([], (False, False)),
        (["trainer.max_epochs=125"], (True, False)),
        (["trainer.max_epochs=124"], (True, True)),
        (["trainer=debug"], (True, True)),
    ],
)
def test_a_shorter_training_is_none_of_the_row(reproduction, overrides, found):
    asked = reproduction(overrides=overrides).config(["experiment=boston_linear"])
    assert shortened(asked, compose(["experiment=boston_linear"])) == found


def test_each_fold_chooses_by_its_own_validation(reproduction, tmp_path):
    row = Row(name="pima", average="data.fold=0,1", nested=("optimizer.lr=0.0001,0.01",))
    overrides = ["trainer.max_epochs=10", *SHORT[1:]]
    case = reproduction(repetitions=1, overrides=overrides).go(row).cases[""]
    taken, names = [], {}
    for fold in range(2):
        folders = [
            tmp_path / "runs" / "pima" / "row" / "seed_0" / str(fold) / f"optimizer.lr={lr}" for lr in RATES
        ]
        results = [json.loads((folder / "result.json").read_text()) for folder in folders]
        best = min(range(2), key=lambda i: results[i]["val"]["loss"])
        taken.append(results[best]["test"]["accuracy"])
        name = f"lr={RATES[best]}"
        names[name] = names.get(name, 0) + 1
    assert case.values == [pytest.approx(statistics.fmean(taken))]
    assert case.chosen == names
    assert reproduction(repetitions=1, overrides=overrides, train=refuse).go(row).cases[""] == case


def test_a_variant_chooses_nothing():
    row = Row(name="r", nested=("model.l2=0,1",), variants={"other": ("model.l2=2",)})
    assert [row.candidates(case) for case in row.cases()] == [[["model.l2=0"], ["model.l2=1"]], [[]]]


def test_folds_are_averaged_within_a_repetition(reproduction, tmp_path):
    row = Row(name="pima", average="data.fold=0,1,2,3,4")
    overrides = ["trainer.max_epochs=10", *SHORT[1:]]  # validation is taken every tenth
    case = reproduction(repetitions=1, overrides=overrides).go(row).cases[""]
    finals = []
    for fold in range(5):
        path = tmp_path / "runs" / "pima" / "row" / "seed_0" / str(fold) / "metrics.csv"
        with path.open() as file:
            finals.append(float(list(csv.DictReader(file))[-1]["watched_test/accuracy"]))
    assert case.values == [pytest.approx(statistics.fmean(finals), abs=1e-6)]
    assert case.curves.means["watched_test/accuracy"][-1] == pytest.approx(statistics.fmean(finals), abs=1e-4)


def test_data_that_is_not_there_leaves_the_sentence(reproduction, tmp_path):
    overrides = [*SHORT, f"data.root={tmp_path}"]
    row = Row(name="planes_logistic_minibatch", published=0.9481)
    record = reproduction(overrides=overrides).go(row)
    assert record.cases[""].failure
    assert not record.cases[""].values


def test_a_setting_of_one_row_is_refused_for_all(reproduction):
    with pytest.raises(UserError, match=r"model\.l2: not for all rows at once"):
        reproduction(overrides=["model.l2=0"])
