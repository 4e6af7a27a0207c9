import numpy as np
import pytest
import torch
from sklearn.metrics import (
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)

from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.objectives import objective_for

GENERATOR = torch.Generator().manual_seed(0)
CLASSES = DataSpec("three", "tabular", (4,), "classes", 3)
PAIR = DataSpec("two", "tabular", (4,), "classes", 2)
VALUES = DataSpec("price", "tabular", (4,), "values", 2)
PIXELS = DataSpec("dots", "image", (1, 16, 16), "image", 256)


def test_cross_entropy_is_scikit_learns():
    objective = objective_for(CLASSES)
    outputs, targets = torch.randn(50, 3, generator=GENERATOR), torch.arange(50) % 3
    measured = objective.measure(outputs, targets)
    probabilities = objective.outputs_for_users(outputs)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(50))
    assert measured["loss"] == pytest.approx(log_loss(targets, outputs.double().softmax(1)), rel=1e-5)
    assert measured["f1_macro"] == pytest.approx(f1_score(targets, outputs.argmax(1), average="macro"))


def test_binary_cross_entropy_is_scikit_learns():
    objective = objective_for(PAIR, "binary_cross_entropy")
    outputs, targets = torch.randn(50, 1, generator=GENERATOR), torch.arange(50) % 2
    measured = objective.measure(outputs, targets)
    probability = torch.sigmoid(outputs[:, 0])
    assert objective.outputs == 1
    assert measured["loss"] == pytest.approx(log_loss(targets, probability), rel=1e-5)
    assert measured["auroc"] == pytest.approx(roc_auc_score(targets, probability))
    assert measured["accuracy"] == np.mean((probability > 0.5).numpy() == targets.numpy())


def test_squared_errors_are_scikit_learns():
    objective = objective_for(VALUES)
    outputs, targets = torch.randn(2, 50, 2, generator=GENERATOR)
    measured = objective.measure(outputs, targets)
    assert measured["loss"] == pytest.approx(mean_squared_error(targets, outputs))
    assert measured["mae"] == pytest.approx(mean_absolute_error(targets, outputs))
    assert measured["r2"] == pytest.approx(r2_score(targets, outputs))


def test_the_error_to_one_hot_classes_is_scikit_learns():
    outputs, targets = torch.randn(50, 3, generator=GENERATOR), torch.arange(50) % 3
    measured = objective_for(CLASSES, "mse").measure(outputs, targets)
    assert measured["loss"] == pytest.approx(mean_squared_error(np.eye(3)[targets], outputs))


@pytest.mark.parametrize(("loss", "low"), [("binary_mse", 0.0), ("signed_mse", -1.0)])
def test_the_error_of_one_output_is_scikit_learns(loss, low):
    objective = objective_for(PAIR, loss)
    outputs, targets = torch.randn(50, 1, generator=GENERATOR), torch.arange(50) % 2
    truth = np.where(targets.numpy() == 1, 1.0, low)
    measured = objective.measure(outputs, targets)
    assert objective.outputs == 1
    assert measured["loss"] == pytest.approx(mean_squared_error(truth, outputs[:, 0]), rel=1e-6)
    sides = outputs[:, 0].numpy() > (low + 1) / 2
    assert measured["accuracy"] == pytest.approx(np.mean(sides == (truth == 1)))
    assert measured["f1_macro"] == pytest.approx(f1_score(targets, sides, average="macro"))
    # Of what is kept for users, as whoever measures it again from predictions.h5 will find it.
    kept = objective.outputs_for_users(outputs)[:, 1]
    assert 0 < ((kept == 0) | (kept == 1)).sum() < 50
    assert measured["auroc"] == pytest.approx(roc_auc_score(targets, kept), abs=1e-6)


def test_one_output_is_refused_for_three_classes():
    with pytest.raises(UserError, match=r"model\.loss=binary_mse: it parts two classes"):
        objective_for(CLASSES, "binary_mse")


def test_a_picture_that_is_met_exactly_has_no_noise():
    targets = torch.randint(0, 2, (4, 1, 16, 16), generator=GENERATOR, dtype=torch.uint8) * 255
    exact = objective_for(PIXELS).measure(torch.where(targets > 0, 20.0, -20.0), targets)
    assert exact["accuracy"] == 1.0
    assert exact["ssim"] == pytest.approx(1.0, abs=1e-4)
    grey = objective_for(PIXELS).measure(torch.zeros(4, 1, 16, 16), targets)
    assert grey["psnr"] == pytest.approx(-20 * np.log10(0.5), abs=1e-4)


@pytest.mark.parametrize(
    ("spec", "loss", "message"),
    [
        (VALUES, "cross_entropy", "has values to predict; allowed is mse"),
        (CLASSES, "binary_cross_entropy", "it parts two classes, and data=three has 3"),
        (PIXELS, "mse", "allowed is binary_cross_entropy"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(spec, loss, message):
    with pytest.raises(UserError, match=message):
        objective_for(spec, loss)


def test_labels_are_smoothed_for_cross_entropy_alone():
    with pytest.raises(UserError, match="label_smoothing"):
        objective_for(CLASSES, "mse", 0.1)
