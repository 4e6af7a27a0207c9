import pytest

from cnnlab.errors import UserError
from cnnlab.study.record import CaseRecord, Curves, Record, mean_curves, verdict
from cnnlab.study.rows import Row


def record(values, **case):
    return Record("r", "test/accuracy", {"": CaseRecord([], values=values, **case)})


ROW = Row(name="r", published=0.9)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.9, 0.9, 0.9], "met"),
        ([0.899, 0.899, 0.899], "below"),  # no spread, no allowance
        ([0.894, 0.897, 0.9], "met"),  # 0.897 + 2 x 0.003
        ([0.893, 0.894, 0.895], "below"),  # 0.894 + 2 x 0.001
        ([0.89, 0.9, 0.905], "met"),
        ([0.85, 0.88, 0.91], "below"),  # twice the spread would allow more than 0.01
        ([0.95, 0.95], "too few runs"),
        ([], "failed"),
    ],
)
def test_the_verdict_follows_its_rule(values, said):
    assert verdict(ROW, record(values)) == said


def test_a_failure_after_three_good_runs_is_a_failure():
    assert verdict(ROW, record([0.95, 0.95, 0.95], failure="the disk is full")) == "failed"


def test_a_shorter_training_is_never_met():
    assert verdict(ROW, record([0.95, 0.95, 0.95], partial=True)) == "partial"


@pytest.mark.parametrize("row", [ROW, Row(name="r")])
def test_too_short_a_training_says_nothing(row):
    assert verdict(row, record([0.95, 0.95, 0.95], partial=True, too_short=True)) == "too short"


@pytest.mark.parametrize(
    ("values", "said"),
    [([0.51, 0.49, 0.5], "met"), ([0.52, 0.53, 0.54], "above"), ([0.47, 0.48, 0.46], "below")],
)
def test_chance_is_missed_by_what_is_too_good(values, said):
    assert verdict(Row(name="r", published=0.5, both_ways=True), record(values)) == said


def test_a_row_without_a_published_figure_is_shown():
    assert verdict(Row(name="r"), record([0.5])) == "shown"


def test_a_grid_without_a_choice_is_as_short_as_its_points():
    row = Row(name="r", grid=("a=1,2",))
    found = Record("r", "test/accuracy", {n: CaseRecord([], values=[0.9], partial=True) for n in "ab"})
    assert verdict(row, found) == "partial"
    for case in found.cases.values():
        case.partial = False
    assert verdict(row, found) == "shown"


def test_the_best_point_of_a_grid_is_chosen_by_validation_only():
    row = Row(name="r", published=0.9, grid=("a=1,2",), choose="val/accuracy")
    found = Record("r", "test/accuracy")
    found.cases["good on the test"] = CaseRecord([], values=[0.99] * 3, chosen_by=[0.8] * 3)
    found.cases["good on validation"] = CaseRecord([], values=[0.9] * 3, chosen_by=[0.9] * 3)
    assert found.main(row) is found.cases["good on validation"]
    found.cases["failed"] = CaseRecord([], values=[0.9], chosen_by=[1.0], failure="the disk is full")
    assert found.main(row) is found.cases["good on validation"]


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = record([0.5, 0.75], curves=Curves([1, 2], {"val/loss": [1.0, 0.5]}, {"val/loss": [0.1, 0.2]}))
    written.write(tmp_path / "r.json")
    assert Record.read(tmp_path / "r.json") == written


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"row": "r", "metric": "m", "cases": {"": {"x": 1}}}'])
def test_rubbish_is_no_record(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UserError, match="not the record of a row"):
        Record.read(tmp_path / "r.json")


def test_curves_keep_the_epochs_with_validation():
    losses = [float("nan") if (i + 1) % 10 else 0.5 for i in range(1000)]
    curves = mean_curves([{"epoch": list(range(1, 1001)), "val/loss": losses}])
    assert len(curves.epochs) == 50
    assert curves.epochs[-1] == 1000
    assert curves.means["val/loss"] == [0.5] * 50


def test_long_curves_are_thinned_and_keep_their_end():
    curves = mean_curves([{"epoch": list(range(1, 501)), "val/loss": [float(i) for i in range(500)]}])
    assert len(curves.epochs) <= 60
    assert curves.epochs[-1] == 500
    assert curves.means["val/loss"][-1] == 499.0
