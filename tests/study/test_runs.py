import pytest

from cnnlab.errors import UserError
from cnnlab.study.runs import find_runs


def test_runs_are_found_in_the_order_of_their_numbers(left, tmp_path):
    for number in (10, 9, 0):
        left(f"{number}_seed={number}", [f"seed={number}"])
    assert [run.settings["seed"] for run in find_runs(tmp_path)] == ["0", "9", "10"]


def test_a_run_folder_is_a_study_of_one(left, tmp_path):
    run = left("0", ["seed=3"], val=0.75)
    (found,) = find_runs(tmp_path / "study" / "0")
    assert found == run
    assert (found.is_finished, found.measure("val", "accuracy"), found.measure("val", "mae")) == (
        True,
        0.75,
        None,
    )


def test_where_things_lie_is_no_setting(left):
    settings = left("0", ["data.root=here", "logger=none", "data.fold=0"]).settings
    assert settings["data.fold"] == "0"
    assert not {"data.root", "data.store", "data.seed"} & set(settings)
    assert not any(key.startswith(("logger", "hydra")) for key in settings)


def test_a_run_that_was_killed_has_no_result(left, tmp_path):
    left("0", [])
    (tmp_path / "study" / "0" / "result.json").unlink()
    (run,) = find_runs(tmp_path)
    assert (run.status, run.is_finished, run.history) == ("interrupted", False, {})


@pytest.mark.parametrize("text", ["{", "[1]", "a: ${oc.env:HOME}"])
def test_a_config_that_cannot_be_read_is_named(left, tmp_path, text):
    left("0", [])
    (tmp_path / "study" / "0" / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml"):
        find_runs(tmp_path)
