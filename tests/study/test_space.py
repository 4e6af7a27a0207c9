import pytest

from cnnlab.errors import UserError
from cnnlab.study.space import Discrete, Interval, read_space


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("model=mlp,linear", Discrete("model", ("mlp", "linear"))),
        ("model.hidden=choice([16],[64,128])", Discrete("model.hidden", ("[16]", "[64,128]"))),
        ("model.kernel_size=range(3,9,2)", Discrete("model.kernel_size", ("3", "5", "7"))),
        ("model.dropout=interval(0,0.5)", Interval("model.dropout", 0.0, 0.5)),
        ("optimizer.lr=tag(log,interval(1e-4,1e-1))", Interval("optimizer.lr", 1e-4, 0.1, log=True)),
        ("data.batch_size=int(interval(8,64))", Interval("data.batch_size", 8, 64, whole=True)),
    ],
)
def test_hydras_grammar_is_read(word, read):
    space = read_space(["seed=1", word])
    assert (space.fixed, space.dimensions) == (("seed=1",), (read,))


def test_the_last_of_two_for_one_key_counts():
    space = read_space(["model.l2=0,1", "model.l2=interval(0,1)", "seed=1", "seed=2"])
    assert (space.fixed, space.dimensions) == (("seed=2",), (Interval("model.l2", 0.0, 1.0),))


def test_corners_grow_with_the_sum_of_the_values_not_their_product():
    words = [f"model.key{i}=1,2,3,4,5" for i in range(10)]
    corners = read_space(words).corners()
    assert len(corners) == 41
    assert {word for job in corners for word in job} == {
        f"model.key{i}={v}" for i in range(10) for v in range(1, 6)
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("optimizer.lr=interval(1,0)", "from a lower number to a higher"),
        ("optimizer.lr=interval(1,1)", "from a lower number to a higher"),
        ("optimizer.lr=tag(log,interval(0,1))", "begins above 0"),
        ("optimizer.lr=interval(a,b)", "cannot be read"),
        ("model.kernel_size=range(3,3)", "no value in it"),
    ],
)
def test_what_is_no_space_is_refused(word, said):
    with pytest.raises(UserError, match=said):
        read_space([word])
