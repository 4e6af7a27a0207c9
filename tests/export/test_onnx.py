"""One network of every family, run by onnxruntime without cnnlab."""

import json

import numpy as np
import onnx as onnx_package
import onnxruntime
import pytest
import torch

import cnnlab
from cnnlab.config.compose import compose
from cnnlab.data.input_format import InputFormat
from cnnlab.errors import UserError
from cnnlab.export import onnx
from cnnlab.export.predictor import RawNetwork
from cnnlab.training.build import build

STEPS = "model.preprocess=[impute,featurewise_std]"
FAMILIES = {
    "convnet with batch norm": ["model=fashion_bn_before", "data=digits", "data.size=16"],
    "convnet with a mirror image": ["model=deep_cnn", "data=cifar10", "model.test_time_flip=true"],
    "convnet on whitened patches": [
        "model=deep_cnn",
        "data=cifar10",
        "model.preprocess=[scale,patch_whitening]",
    ],
    "vgg_like": ["model=vgg_like", "data=cifar10"],
    "mlp": ["model=mlp", "data=mnist", "data.permute_pixels=true", "model.preprocess=[samplewise_std,zca]"],
    "resnet18": ["model=resnet18", "model.weights=null", "data=digits"],
    "text_cnn": ["model=text_cnn", "data=imdb", "data.words=100", "data.length=50"],
    "bag_of_words": ["model=bag_of_words", "data=imdb", "data.view=counts", "data.words=100"],
    "autoencoder": ["model=autoencoder", "data=mnist", "data.noise=0.5"],
    "logistic": ["model=logistic", "data=pima", "data.missing=[bmi]", STEPS],
    "linear": ["model=linear", "data=boston"],
}


def raw_batch(spec, count, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (count, *spec.input_shape)
    if spec.kind == "image":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    if spec.kind == "tokens":
        return torch.randint(0, spec.vocabulary_size, shape, generator=generator)
    rows = torch.rand(shape, generator=generator)
    if spec.name == "pima" and count == 3:
        rows[0, 5] = torch.nan
    return rows


@pytest.mark.parametrize("family", FAMILIES)
def test_onnxruntime_says_the_same_of_batches_of_any_size(family):
    data, module = build(compose(FAMILIES[family]))
    spec = data.spec
    module.preprocess.fit(raw_batch(spec, 100, seed=0))
    permutation = getattr(data, "permutation", None)
    network = RawNetwork(module.eval(), [] if permutation is None else permutation.tolist())

    model = onnx.graph(InputFormat(spec=spec) if spec.kind != "tabular" else data.input_format, network)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    name = session.get_inputs()[0].name
    for count in (1, 2, 3, 7):
        raw = raw_batch(spec, count, seed=count)
        with torch.inference_mode():
            wanted = network(raw).numpy()
        np.testing.assert_allclose(session.run(None, {name: raw.numpy()})[0], wanted, atol=1e-4)


def test_a_file_says_what_its_input_and_classes_are(digits_run, tmp_path):
    onnx.write(digits_run, tmp_path / "digits.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx", providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    texts = session.get_modelmeta().custom_metadata_map

    assert (taken.name, taken.type, taken.shape[1:]) == ("images", "tensor(uint8)", [1, 8, 8])
    assert isinstance(taken.shape[0], str)
    assert (given.name, given.type) == ("probabilities", "tensor(float)")
    assert json.loads(texts["class_names"]) == list("0123456789")
    assert json.loads(texts["preprocessing"]) == ["scale"]
    onnx_package.checker.check_model(tmp_path / "digits.onnx", full_check=True)


def test_a_file_that_would_read_others_or_lies_is_refused(digits_run, tmp_path):
    path = tmp_path / "digits.onnx"
    onnx.write(digits_run, path)
    model = onnx_package.load(path)

    onnx_package.save(model, tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(UserError, match="read other files"):
        cnnlab.load(tmp_path / "split.onnx")

    model = onnx_package.load(path)
    (data,) = [prop for prop in model.metadata_props if prop.key == "data"]
    data.value = data.value.replace('"input_shape": [\n   1', '"input_shape": [\n   3')
    onnx_package.save(model, tmp_path / "lies.onnx")
    with pytest.raises(UserError, match="its metadata says"):
        cnnlab.load(tmp_path / "lies.onnx")

    model = onnx_package.load(path)
    (data,) = [prop for prop in model.metadata_props if prop.key == "data"]
    told = json.loads(data.value)
    told["spec"] |= {"outputs": 2, "class_names": ["a", "b"]}
    data.value = json.dumps(told)
    onnx_package.save(model, tmp_path / "lies.onnx")
    with pytest.raises(UserError, match=r"each of its outputs is \[10\], and its metadata says \[2\]"):
        cnnlab.load(tmp_path / "lies.onnx")
    # The declared shape of an output is a claim, too.
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
    onnx_package.save(model, tmp_path / "lies.onnx")
    with pytest.raises(UserError, match=r"lies\.onnx: "):
        cnnlab.load(tmp_path / "lies.onnx").predict(np.zeros((3, 8, 8, 1), np.uint8))

    del model.metadata_props[:]
    onnx_package.save(model, tmp_path / "bare.onnx")
    with pytest.raises(UserError, match="not a network that cnnlab exported"):
        cnnlab.load(tmp_path / "bare.onnx")
