import pytest

from cnnlab.errors import UserError
from cnnlab.study.groups import grouped
from cnnlab.study.runs import read_run


def names(runs, by=()):
    return [group.name for group in grouped(runs, by)]


def test_seeds_and_folds_are_put_together(left):
    runs = [
        left(f"{seed}{fold}", ["data.folds=3", f"seed={seed}", f"data.fold={fold}"])
        for seed in (0, 1)
        for fold in (0, 1, 2)
    ]
    (group,) = grouped(runs)
    assert (group.name, len(group.runs), len(set(group.pairs))) == ("all runs", 6, 6)


def test_groups_are_named_by_the_settings_that_differ(left):
    runs = [
        left(f"{lr}{l2}{seed}", [f"optimizer.lr={lr}", f"model.l2={l2}", f"seed={seed}"])
        for lr in (0.1, 0.01)
        for l2 in (0.0, 0.5)
        for seed in (0, 1)
    ]
    assert names(runs) == ["lr=0.1, l2=0.0", "lr=0.1, l2=0.5", "lr=0.01, l2=0.0", "lr=0.01, l2=0.5"]


def test_an_option_says_all_that_follows_from_it(left):
    runs = [
        left("0", ["model=linear"]),
        left("1", ["model=mlp"]),
        left("2", ["model=mlp", "model.hidden=[16]"]),
    ]
    assert [dict(group.values) for group in grouped(runs)] == [
        {"model": "linear", "model.hidden": "[]"},
        {"model": "mlp", "model.hidden": "[512,512]"},
        {"model": "mlp", "model.hidden": "[16]"},
    ]


def test_an_option_that_was_not_typed_is_looked_up(left):
    assert names([left("0", []), left("1", ["optimizer=sgd"])]) == ["optimizer=adam", "optimizer=sgd"]


def test_what_was_typed_without_making_a_difference_names_nothing(left):
    runs = [left("0", ["optimizer=adam", "seed=0"]), left("1", ["seed=1"])]
    assert names(runs) == ["all runs"]


def test_other_settings_pair_the_runs_where_one_is_asked_for(left):
    runs = [
        left(f"{lr}{l2}", [f"optimizer.lr={lr}", f"model.l2={l2}"]) for lr in (0.1, 0.01) for l2 in (0.0, 0.5)
    ]
    first, second = grouped(runs, ["model.l2"])
    assert (first.name, second.name) == ("l2=0.0", "l2=0.5")
    assert first.pairs == second.pairs
    assert len(set(first.pairs)) == 2


def test_a_setting_that_no_run_has_is_refused(left):
    with pytest.raises(
        UserError, match=r"--by model\.nrom: no run has such a setting; did you mean model\.norm"
    ):
        grouped([left("0", [])], ["model.nrom"])


def test_a_setting_that_cnnlab_has_gained_since_makes_no_difference(left):
    old, new = left("0", ["seed=0"]), left("1", ["seed=1"])
    lines = (old.folder / "config.yaml").read_text().splitlines(keepends=True)
    (old.folder / "config.yaml").write_text("".join(line for line in lines if "norm_eps" not in line))
    assert names([read_run(old.folder), new]) == ["all runs"]


def test_a_fold_is_no_partner_of_a_run_without_folds(left):
    runs = [left("0", []), left("1", ["data.folds=2", "data.fold=0"])]
    whole, fold = grouped(runs)
    assert not set(whole.pairs) & set(fold.pairs)
