import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from cnnlab.errors import UserError
from cnnlab.optim.fused import with_rates
from cnnlab.optim.schedules import Constant, Cosine, OneCycle, Plateau, StepHalving, TimeDecay

STEPS = 200


def rates(schedule, lr=0.1, steps=STEPS, optimizer=None):
    """The rate of each step."""
    optimizer = optimizer or torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=lr, momentum=0.9)
    scheduler = schedule(optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_constant():
    assert set(rates(Constant())) == {0.1}


def test_step_halving_is_the_notebooks_rule():
    expected = [max(0.001 * math.pow(0.5, math.floor((1 + epoch) / 5)), 0.00001) for epoch in range(60)]
    found = rates(StepHalving(every_n_epochs=5, offset=1, floor=1e-5), lr=0.001, steps=60)
    assert found == pytest.approx(expected)


def test_time_decay_is_keras_decay():
    assert rates(TimeDecay(decay=0.01)) == pytest.approx([0.1 / (1 + 0.01 * step) for step in range(STEPS)])


def test_cosine_rises_in_a_line_and_falls_to_its_floor():
    found = rates(Cosine(warmup_fraction=0.1, floor=0.2))
    rises = [b - a for a, b in pairwise(found[:20])]
    assert rises == pytest.approx([rises[0]] * 19)
    assert max(found) == pytest.approx(0.1) == found[20]
    assert found[110] == pytest.approx(0.1 * (0.2 + 0.8 * 0.5))
    assert found[-1] == pytest.approx(0.02, rel=0.01)


def test_cosine_without_warm_up_is_torchs():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    expected = []
    for _ in range(STEPS):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rates(Cosine(warmup_fraction=0.0)) == pytest.approx(expected)


def test_one_cycle_goes_up_to_the_optimizers_rate_and_down():
    found = rates(OneCycle(warmup_fraction=0.25))
    assert found[0] == pytest.approx(0.1 / 25)
    assert max(found) == pytest.approx(0.1)
    assert found.index(max(found)) == 49
    assert found[-1] == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize("kind", [torch.optim.RMSprop, torch.optim.Adam])
def test_one_cycle_takes_optimizers_with_and_without_momentum(kind):
    optimizer = kind(nn.Linear(1, 1).parameters(), lr=0.1)
    assert max(rates(OneCycle(), optimizer=optimizer)) == pytest.approx(0.1)


def test_plateau_cuts_after_its_patience():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    scheduler = Plateau(patience=2, factor=0.5, floor=0.04)(optimizer, STEPS)
    found = []
    for loss in (1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6):
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == pytest.approx([0.1] * 4 + [0.05] * 3 + [0.04] * 4)


def test_groups_keep_their_own_rates():
    groups = [{"params": nn.Linear(1, 1).parameters(), "lr": lr} for lr in (0.1, 0.01)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    scheduler = StepHalving(every_n_epochs=1)(optimizer, STEPS)
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.005])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: StepHalving(every_n_epochs=0),
        lambda: StepHalving(factor=1.5),
        lambda: TimeDecay(decay=-1.0),
        lambda: Cosine(warmup_fraction=1.0),
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match=r"schedule\."):
        wrong()


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(),
        StepHalving(
            every_n_epochs=2, floor=0.02
        ),  # of the head's rate: the body's is below it from the start
        TimeDecay(decay=0.1),
        Cosine(floor=0.1),
        OneCycle(),
        Plateau(patience=0, floor=0.02),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_groups_of_parameters_keep_their_shares_of_the_rate(schedule, kind):
    head, body = nn.Linear(1, 1), nn.Linear(1, 1)
    make = partial(kind, lr=0.1)
    both = with_rates(make, [(1.0, list(head.parameters())), (0.1, list(body.parameters()))])
    alone = make(nn.Linear(1, 1).parameters())
    schedulers = [(optimizer, schedule(optimizer, 20)) for optimizer in (both, alone)]
    for _ in range(20):
        found, expected = both.param_groups, alone.param_groups[0]
        assert found[0]["lr"] == pytest.approx(expected["lr"])
        assert found[1]["lr"] == pytest.approx(0.1 * expected["lr"])
        assert found[0].get("betas") == found[1].get("betas") == expected.get("betas")
        for optimizer, scheduler in schedulers:
            optimizer.step()
            scheduler.step(*([1.0] if isinstance(schedule, Plateau) else []))
