import pytest


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
