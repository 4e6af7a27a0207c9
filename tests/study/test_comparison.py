import statistics

import pytest
from scipy import stats

from cnnlab.study.answer import answer
from cnnlab.study.comparison import compare

SEEDS = range(3)


@pytest.fixture
def study(left):
    """Three rates with three seeds each; the second is the best by validation, the third by the test."""

    def make(quantity="accuracy", validation=(0.80, 0.95, 0.90), test=(0.80, 0.90, 0.92)):
        return [
            left(
                f"{3 * i + seed}",
                [f"optimizer.lr={lr}", f"seed={seed}"],
                val=validation[i] + seed / 100,
                test=test[i] + i * seed / 100,
                followed=f"val/{quantity}",
                seconds=10.0 + seed,
            )
            for i, lr in enumerate((0.1, 0.2, 0.3))
            for seed in SEEDS
        ]

    return make


def test_settings_are_sorted_by_validation_never_by_the_test(study):
    found = compare(study())
    assert [line.group.name for line in found.lines] == ["lr=0.2", "lr=0.3", "lr=0.1"]
    assert (found.first.name, found.counted, found.keys) == ("lr=0.1", ("seed",), ("optimizer.lr",))


def test_a_loss_is_sorted_the_other_way(study):
    assert [line.group.name for line in compare(study("loss")).lines] == ["lr=0.1", "lr=0.3", "lr=0.2"]


def test_a_line_holds_means_and_deviations_over_the_seeds(study):
    line = compare(study()).lines[0]
    assert line.validation.mean == pytest.approx(0.96)
    assert line.validation.sd == pytest.approx(statistics.stdev([0.95, 0.96, 0.97]))
    assert str(line.test) == "0.9100 ± 0.0100"
    assert (line.seconds.mean, line.parameters) == (11.0, 650)


def test_improvement_is_the_ratio_of_errors_to_the_first(study):
    improvements = {line.group.name: line.improvement for line in compare(study()).lines}
    assert improvements == pytest.approx({"lr=0.1": 1.0, "lr=0.2": 0.20 / 0.09, "lr=0.3": 0.20 / 0.06})
    losses = {line.group.name: line.improvement for line in compare(study("loss")).lines}
    assert losses == pytest.approx({"lr=0.1": 1.0, "lr=0.2": 0.80 / 0.91, "lr=0.3": 0.80 / 0.94})


def test_a_mean_improvement_of_the_mnist_report():
    """Table 2 of the report on Theano and Keras: 0.982 as it is, 0.967 without dropout: 0.545."""
    from cnnlab.study.comparison import error

    assert error(0.982, "accuracy") / error(0.967, "accuracy") == pytest.approx(0.545, abs=1e-3)


def test_lines_are_compared_with_the_best_by_seed(study):
    best, second, third = compare(study()).lines
    assert best.to_best is None
    assert (second.to_best.mean, second.to_best.count) == (pytest.approx(0.03), 3)
    assert third.to_best.mean == pytest.approx(-0.11)


def test_folds_are_tested_with_the_correction(left):
    runs = [
        left(
            f"{lr}{fold}",
            ["data.folds=3", f"optimizer.lr={lr}", f"data.fold={fold}"],
            test=0.5 + lr * fold,
            samples={"train": 90, "val": 10, "test": 50},
        )
        for lr in (0.1, 0.2)
        for fold in range(3)
    ]
    assert compare(runs).lines[1].to_best.test == "corrected paired t-test"


def test_a_setting_of_which_all_runs_failed_comes_last(study, left):
    failed = left("9", ["optimizer.lr=9.0", "seed=0"], status="failed", reason="the loss is nan")
    found = compare([failed, *study()])
    assert found.lines[-1].group.name == "lr=9.0"
    assert (found.first.name, found.lines[0].improvement) == ("lr=9.0", None)
    assert found.failed == [failed]


def test_a_failed_run_is_left_out_of_its_means(study, left):
    failed = left("9", ["optimizer.lr=0.2", "seed=9"], 0.0, 0.0, status="failed")
    line = compare([*study(), failed]).lines[0]
    assert (len(line.group.runs), len(line.group.finished), line.validation.mean) == (
        4,
        3,
        pytest.approx(0.96),
    )


def test_the_answer_names_the_best_and_what_chance_may_have_done(study):
    """Differences of 0.02, 0.03 and 0.04: t(0.975, 2) = 4.303, times 0.01 / sqrt(3)."""
    assert answer(compare(study())) == (
        "Best by validation is lr=0.2: test accuracy 0.9100 ± 0.0100, "
        "validation 0.9600 ± 0.0100 over 3 seeds, "
        "and the first setting, lr=0.1, has 2.22 times its error; "
        "the second, lr=0.3, has a test accuracy 0.0300 higher, "
        "more than chance (95% interval +0.0052 to +0.0548, paired t-test over 3 seeds, p = 0.035)."
    )


def test_the_answer_says_where_there_are_too_few_to_tell(left):
    runs = [left("0", ["optimizer.lr=0.1"], 0.5, 0.5), left("1", ["optimizer.lr=0.2"], 0.6, 0.6)]
    assert "one run of each is too few to tell" in answer(compare(runs))


def test_the_answer_of_one_setting_is_its_figure(left):
    runs = [left(f"{seed}", [f"seed={seed}"], 0.5, 0.25 * seed) for seed in SEEDS]
    assert answer(compare(runs)) == (
        "Test accuracy is 0.2500 ± 0.2500, validation accuracy 0.5000 ± 0.0000 (mean ± SD over 3 seeds)."
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["data=digits"], ["data=caltech101"]),
        ([], ["experiment=planes_logistic_batch"]),
        (["data=caltech101", "data.classes=5"], ["data=caltech101"]),
    ],
    ids=["group", "experiment", "classes"],
)
def test_the_answer_warns_of_settings_with_data_of_their_own(left, first, second):
    runs = [left("0", first, 0.5, 0.5), left("1", second, 0.6, 0.6)]
    assert answer(compare(runs)).endswith("; their data are not the same, so this says little of the rest.")
    assert "their data" not in answer(compare(runs[:1]))


def test_without_a_finished_run_there_is_no_answer(left):
    runs = [left(f"{seed}", [f"seed={seed}"], status="failed") for seed in SEEDS]
    assert answer(compare(runs)) == "No run came to its end."


@pytest.fixture
def crossed(left):
    """Two networks by two penalties by three seeds: the seeds' differences are 0.02, 0.04 and 0.09."""
    differences = (0.02, 0.04, 0.09)
    return [
        left(
            f"{model}{l2}{seed}",
            [f"model={model}", f"model.l2={l2}", f"seed={seed}"],
            val=0.5 + (model == "mlp") * 0.1,
            test=0.5 + l2 / 10 + (model == "mlp") * (differences[seed] + (0.01 if l2 else -0.01)),
        )
        for model in ("logistic", "mlp")
        for l2 in (0.0, 0.5)
        for seed in SEEDS
    ]


def test_a_seed_counts_once_where_other_settings_are_put_together(crossed):
    found = compare(crossed, ["model"])
    expected = stats.ttest_rel([0.02, 0.04, 0.09], [0.0, 0.0, 0.0])
    difference = found.lines[1].to_best
    assert (difference.count, difference.test) == (3, "paired t-test")
    assert difference.mean == pytest.approx(-0.05)
    assert difference.p == pytest.approx(expected.pvalue)
    said = answer(found)
    assert "over 6 runs (3 seeds x 2 of l2)" in said
    assert "paired t-test over 3 seeds" in said


def test_what_names_the_lines_is_not_averaged_over(crossed):
    found = compare(crossed, ["seed"])
    assert (found.counted, len(found.lines)) == ((), 3)
    assert "over 4 runs (2 of model x 2 of l2)" in answer(found)
    assert "paired t-test over 4 pairs of runs" in answer(found)
