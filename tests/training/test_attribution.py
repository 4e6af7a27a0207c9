import sys

import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from cnnlab.config.compose import compose
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.mlp import MLPModule
from cnnlab.training.attribution import attributions
from cnnlab.training.build import build

SMALL = ["data=digits", "data.size=8"]
CONV = ["model=convnet", "model.features=[4,P,6]", "model.classifier=[]", "model.preprocess=[scale]"]
IMAGE = torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", autouse=True)
def _captum():
    pytest.importorskip("captum")


def built(*words):
    return build(compose([*SMALL, *words]))[1].eval()


@pytest.mark.parametrize("flip", ["false", "true"])
def test_grad_cam_is_the_papers(flip):
    model = built(*CONV, f"model.test_time_flip={flip}")
    features = model.network.features
    behind = list(dict(features.named_children())).index("conv2") + 1
    maps = features[:behind](IMAGE[None] / 255).detach().requires_grad_()
    logit = model.network.classifier(features[behind:](maps.clone()))[0, 3]
    (gradient,) = torch.autograd.grad(logit, maps)
    # Equations 1 and 2 of Selvaraju et al.: channels weighted by their mean gradient, then the positive part.
    cam = F.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True))
    expected = F.interpolate(cam, (8, 8), mode="bilinear")[0, 0].detach()
    assert expected.max() > 0
    assert_allclose(attributions(model, IMAGE, 3)["Grad-CAM"], expected, atol=1e-6)


@pytest.mark.parametrize("network", [CONV, ["model=mlp", "model.activation=tanh", "model.hidden=[16]"]])
def test_integrated_gradients_sum_up_to_the_difference_from_black(network):
    model = built(*network)
    model.preprocess.fit(torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8))
    found = attributions(model, IMAGE, 7)
    assert ("Grad-CAM" in found) == (network is CONV)
    with torch.no_grad():
        there, black = model(torch.stack([IMAGE, torch.zeros_like(IMAGE)]))[:, 7]
    assert found["integrated gradients"].shape == (8, 8)
    assert found["integrated gradients"].sum() == pytest.approx(float(there - black), abs=0.01)


def test_one_output_speaks_for_either_of_two_classes():
    spec = DataSpec("two", "image", (1, 8, 8), "classes", 2, ("zero", "one"))
    model = MLPModule(spec, loss="binary_cross_entropy", preprocess=["scale"]).eval()
    first, second = (attributions(model, IMAGE, label)["integrated gradients"] for label in (0, 1))
    # Of a linear network each pixel adds its weight times its brightness.
    weights = model.network.layers.output.weight.detach().view(8, 8)
    assert_allclose(second, weights * IMAGE[0] / 255, atol=1e-6)
    assert_allclose(first, -second)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(
        UserError, match=r"captum is not installed; pip install 'cnnlab\[explain\]' installs it"
    ):
        attributions(built(*CONV), IMAGE, 0)
