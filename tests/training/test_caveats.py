import pytest

from cnnlab.config.compose import compose
from cnnlab.data.tabular import CSV
from cnnlab.data.text import IMDB
from cnnlab.training.run import run


@pytest.mark.parametrize("limit", ["{milliseconds:1}", "{hours:1}"])
def test_a_training_that_time_has_ended_says_so(trained, limit):
    result, _ = trained("run", "model=linear", f"trainer.max_time={limit}")
    found = [caveat for caveat in result.caveats if "max_time" in caveat]
    ended = limit == "{milliseconds:1}"
    assert found == ["trainer.max_time ended the training, after 1 step"] * ended
    assert result.status == "finished"


@pytest.mark.parametrize(("precision", "said"), [("bf16-mixed", True), ("32-true", False)])
def test_rounded_numbers_are_said(trained, precision, said):
    result, _ = trained("run", "model=linear", "trainer.max_epochs=1", f"trainer.precision={precision}")
    assert any(caveat.startswith("computed in bf16-mixed") for caveat in result.caveats) == said


@pytest.mark.parametrize("fold", range(5))
def test_a_class_that_training_lacks_is_said(tmp_path, fold):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + "".join(f"{i},{'rare' if i == 7 else 'ab'[i % 2]}\n" for i in range(40)))
    data = CSV(path=path, folds=5, fold=fold)
    data.setup()
    tested = 7 in data.splits.test.rows or 7 in data.splits.val.rows
    assert data.untrained_classes() == (("rare",) if tested else ())


def test_a_class_that_training_lacks_is_among_the_caveats(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + "".join(f"{i},{'rare' if i == 7 else 'ab'[i % 2]}\n" for i in range(40)))
    words = ["data=csv", f"data.path={path}", "data.target=y", "data.folds=5", "model=linear"]
    words += ["trainer=cpu", "trainer.max_epochs=1", "logger=none"]
    found = [run(compose([*words, f"data.fold={fold}"]), tmp_path / str(fold)).caveats for fold in range(5)]
    assert sum("no training sample is of rare" in each for each in found) in (1, 2)


def test_a_vocabulary_of_all_folds_is_said(tmp_path):
    said = IMDB(root=tmp_path, folds=5).remarks
    assert said == ("the vocabulary counts the words of all folds, also of the one that is tested",)
    assert IMDB(root=tmp_path).remarks == ()
