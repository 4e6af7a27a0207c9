import pytest
import torch

from cnnlab.config.check import check
from cnnlab.config.compose import compose, groups
from cnnlab.errors import UserError
from cnnlab.models.describe import describe
from cnnlab.study.rows import Row, choose_rows, read_rows
from cnnlab.training.build import build

ROWS = read_rows()
TRAINED = [row for row in ROWS.values() if not row.instead]


def test_every_experiment_is_a_row_and_every_row_an_experiment():
    experiments = set(groups()["experiment"])
    commands = {"cifar10_confusion", "cifar10_filters", "hdf5_export"}
    assert experiments == set(ROWS) - commands
    assert all(ROWS[name].instead for name in commands)


@pytest.mark.parametrize("name", groups()["experiment"])
def test_every_case_of_a_row_passes_the_check(name):
    row = ROWS[name]
    for case in row.cases()[:12]:
        for job in row.jobs(case, 1):
            for candidate in row.candidates(case):
                check(compose([*job, *candidate]))


@pytest.mark.parametrize("row", [row for row in TRAINED if row.parameters], ids=lambda row: row.name)
def test_a_row_has_as_many_parameters_as_the_source_says(row):
    with torch.device("meta"):
        _, model = build(compose(row.jobs(row.cases()[0], 0)[0]))
    described = describe(model.network, model.preprocess.output_shape, model.network_dtype)
    assert described.parameters == row.parameters


def test_the_kernel_sweep_has_the_known_sizes_at_three_pixels():
    row = ROWS["cifar10_kernel_sweep"]
    found = {}
    for case in row.cases():
        with torch.device("meta"):
            _, model = build(compose(row.jobs(case, 0)[0]))
        found[case.name] = sum(p.numel() for p in model.network.parameters())
    assert len(found) == 16
    assert found["model=shallow_cnn, kernel_size=3"] == 8396042
    assert found["model=deep_cnn, kernel_size=3"] == 2141514


def test_a_repetition_counts_seed_and_split_together():
    row = Row(name="planes", repeat=("seed", "data.split_seed"))
    assert row.jobs(row.cases()[0], 4) == [["experiment=planes", "seed=4", "data.split_seed=4"]]


def test_cheap_rows_come_first():
    minutes = [row.minutes for row in TRAINED if row.goal is None]
    assert minutes == sorted(minutes)


def test_a_misspelt_row_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean fashion_2_blocks"):
        choose_rows(["fashion_2_block"])


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("planes_hidden_relu", set()),
        ("planes_hidden_sigmoid", set()),
        ("pima", set()),
        ("xor", set()),
        ("logistic_map", set()),
        ("cifar10_mlp_mse", set()),
        ("mnist_mlp", {0.2}),
        ("mnist_mlp_more_dropout", {0.5}),
        ("mnist_mlp_no_dropout", set()),
        ("imdb_mlp", {0.5}),
        ("mnist_conv", {0.2}),
        ("cifar10_double_conv", {0.25}),
        ("cifar100_improved", {0.25, 0.5}),
        ("alexnet_cifar10", {0.4}),
        ("fashion_2_blocks", set()),
    ],
)
def test_a_row_drops_what_its_source_says(name, shares):
    with torch.device("meta"):
        _, model = build(compose([f"experiment={name}"]))
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == shares
