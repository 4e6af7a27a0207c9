import copy
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.impute import MissingIndicator, SimpleImputer
from torch import Tensor, nn

from cnnlab.errors import UserError
from cnnlab.models.impute import Impute
from cnnlab.models.preprocess import Preprocess

NAN = float("nan")


@pytest.fixture
def rows() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 4, generator=generator) * torch.tensor([1.0, 1e-3, 1e3, 1.0]) + torch.tensor(
        [0.0, 5.0, 1e6, -3.0]
    )
    return rows.where(torch.rand(rows.shape, generator=generator) > 0.3, NAN)


def fitted(rows: Tensor) -> Impute:
    impute = Impute(rows.shape[1])
    impute.fit(rows)
    return impute


def test_gives_what_scikit_learn_gives_on_new_rows(rows: Tensor) -> None:
    theirs = SimpleImputer().fit(rows[:200].double().numpy())
    impute = fitted(rows[:200])
    expected = theirs.transform(rows[200:].double().numpy()).astype(np.float32)
    assert np.array_equal(impute(rows[200:]).numpy(), expected)
    np.testing.assert_allclose(impute.mean, theirs.statistics_, rtol=1e-7)


def test_rows_without_a_gap_pass_bit_for_bit(rows: Tensor) -> None:
    whole = rows.nan_to_num(0.5)
    assert torch.equal(fitted(rows)(whole), whole)


def test_input_stays_unchanged(rows: Tensor) -> None:
    before = rows.clone()
    fitted(rows)(rows)
    assert torch.equal(rows.nan_to_num(7.0), before.nan_to_num(7.0))
    assert torch.equal(rows.isnan(), before.isnan())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_keeps_the_dtype_also_under_autocast(rows: Tensor, dtype: torch.dtype) -> None:
    impute = fitted(rows)
    assert impute(rows.to(dtype)).dtype == dtype
    with torch.autocast("cpu", torch.bfloat16):
        assert impute(rows.to(dtype)).dtype == dtype


def test_a_column_without_a_value_becomes_zero_as_scikit_learn_keeps_it(
    rows: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    rows[:, 1] = NAN
    impute = Impute(4, ["size", "insulin", "age", "weight"])
    with caplog.at_level(logging.WARNING, "cnnlab"):
        impute.fit(rows)
    assert [record.getMessage() for record in caplog.records] == [
        "no training row has a value of insulin: where it is missing it counts as 0"
    ]
    theirs = SimpleImputer(keep_empty_features=True).fit(rows.double().numpy())
    assert np.array_equal(impute(rows).numpy(), theirs.transform(rows.double().numpy()).astype(np.float32))
    assert impute(torch.tensor([[0.0, 9.0, 0.0, 0.0]]))[0, 1] == 9


def test_nothing_is_said_of_full_columns(rows: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    fitted(rows)
    assert not caplog.records


def test_fitting_again_forgets_the_first_fit(rows: Tensor) -> None:
    impute = fitted(rows[:50])
    impute.fit(rows)
    assert torch.equal(impute(rows), fitted(rows)(rows))


@pytest.mark.parametrize("assign", [False, True])
def test_state_dict_round_trip(rows: Tensor, tmp_path: Path, assign: bool) -> None:
    model = nn.Sequential(fitted(rows), nn.Flatten())
    torch.save(model.state_dict(), tmp_path / "model.pt")
    fresh = nn.Sequential(Impute(4), nn.Flatten())
    fresh.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), assign=assign)
    assert torch.equal(fresh(rows), model(rows))
    assert torch.equal(copy.deepcopy(fresh)(rows), model(rows))


def test_unfitted_is_refused_also_after_loading_an_unfitted_state(rows: Tensor) -> None:
    impute = fitted(rows)
    for unfitted in (Impute(4), impute):
        unfitted.load_state_dict(Impute(4).state_dict())
        with pytest.raises(RuntimeError, match="never fitted"):
            unfitted(rows)


def test_on_the_meta_device_shapes_are_enough() -> None:
    with torch.device("meta"):
        impute = Impute(4)
        assert impute(torch.empty(2, 4)).shape == (2, 4)


@pytest.mark.parametrize("shape", [(0, 4), (3, 5), (4,)])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"rows of shape .* do not fit 4 features"):
        Impute(4).fit(torch.zeros(shape))


def test_gradients_pass_where_values_are(rows: Tensor) -> None:
    x = rows.clone().requires_grad_()
    fitted(rows)(x).sum().backward()
    assert torch.equal(x.grad, (~rows.isnan()).float())


def test_standardised_columns_have_mean_zero_after_it(rows: Tensor) -> None:
    filled = fitted(rows)(rows).double()
    present = torch.nanmean(rows.double(), 0)
    torch.testing.assert_close(filled.mean(0), present, rtol=1e-7, atol=1e-7)


def test_the_indicator_says_what_was_missing_as_scikit_learn_does(rows: Tensor) -> None:
    preprocess, plain = (
        Preprocess((4,), [step, "featurewise_std"]) for step in ("missing_indicator", "impute")
    )
    preprocess.fit(rows[:200])
    plain.fit(rows[:200])
    theirs = MissingIndicator(features="all").fit(rows[:200].numpy())

    made = preprocess(rows[200:])

    assert preprocess.output_shape == (8,)
    assert np.array_equal(made[:, 4:].numpy(), theirs.transform(rows[200:].numpy()))
    assert torch.equal(made[:, :4], plain(rows[200:]))


def test_a_value_that_never_was_missing_in_training_may_be_later() -> None:
    preprocess = Preprocess((2,), ["missing_indicator", "featurewise_std"])
    preprocess.fit(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))

    made = preprocess(torch.tensor([[float("nan"), 2.0]]))

    assert made.tolist()[0] == pytest.approx([0, -1, 1, 0], abs=1e-6)


def test_an_image_has_no_missing_values() -> None:
    with pytest.raises(UserError, match="missing_indicator is for tables"):
        Preprocess((3, 8, 8), ["missing_indicator"])
