import pytest


def test_describe_counts_without_the_files(cnnlab, tmp_path):
    code, out, err = cnnlab("describe", "model=deep_cnn", "data=cifar10", "data.root=nowhere")
    assert (code, err) == (0, "")
    assert out.startswith("cifar10: image 3 x 32 x 32, 10 classes\n")
    assert "2,141,514 parameters" in out
    assert "FLOP per sample" in " ".join(out.split())
    assert not list(tmp_path.iterdir())


def test_describe_shows_every_layer_with_its_output_and_parameters(cnnlab):
    _, out, _ = cnnlab(
        "describe", "model=convnet", "model.features=[6,P]", "model.classifier=[]", "data=mnist"
    )
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert ["features.conv1", "SameConv2d 3x3", "6x28x28", "60", "0"] in cells
    assert ["features.pool1", "MaxPool2d 2x2", "6x14x14", "0", "0"] in cells
    assert ["classifier.output", "Linear", "10", "11,770", "0"] in cells


def test_describe_parts_trained_from_fixed(cnnlab):
    _, out, _ = cnnlab("describe", "model=alexnet_like", "data=cifar100")
    assert "4,334,824 parameters: 4,333,288 trained, 1,536 fixed" in out


def test_describe_follows_the_data(cnnlab):
    _, out, _ = cnnlab("describe", "model=linear", "data=cifar100", "data.classes=25")
    assert "25 classes" in out
    assert "76,825 parameters" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=vgg_like", "data=mnist"], "model.features[11] (P): the image is 1x1 here"),
        (["model=base_net", "data=digits", "data.size=8"], "too small for a 5x5 kernel; the input is 8x8"),
        (["model=alexnet_like", "model.kernel_size=[3,3]"], "model.kernel_size lists 2 values for 4 layers"),
    ],
)
def test_a_network_that_cannot_take_the_data_is_refused_with_its_layer(cnnlab, words, said):
    code, out, err = cnnlab("describe", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_network_larger_than_the_machine_is_described(cnnlab):
    code, out, _ = cnnlab(
        "describe", "model=mlp", "data=digits", "data.size=8", "model.hidden=[10000000,10000000]"
    )
    assert code == 0
    assert "100,000,760,000,010 parameters" in " ".join(out.split())
