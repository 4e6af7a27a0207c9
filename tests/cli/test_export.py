import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "arguments are required: run"),
        (["run"], "the format is missing"),
        (["run", "--to", "pdf"], "invalid choice: 'pdf'"),
        (["run", "--to", "h5", "a.onnx"], "its name must end in .h5"),
        (["run", "a.onnx"], "run: not a run folder"),
        (["run", "--to", "h5", "a.h5", "b.h5"], "unrecognized arguments: b.h5"),
    ],
)
def test_a_mistake_is_one_sentence(cnnlab, tmp_path, words, said):
    code, out, err = cnnlab("export", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
