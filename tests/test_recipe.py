"""The learning rate of every step against PyTorch's schedulers, and options that do not fit."""

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from latentdims.errors import InputError
from latentdims.recipes.recipe import check, check_kept, kept_steps, learning_rate

EPS = np.finfo(np.float64).eps
DEFAULTS = {
    "optimiser": "sgd",
    "learning_rate": 0.3,
    "momentum": 0.9,
    "nesterov": False,
    "epochs": 12,
    "schedule": "constant",
    "warm_up": 0.0,
    "milestones": [],
    "factor": 0.1,
}


def rates(*, steps_per_epoch=7, **options):
    made = {**DEFAULTS, **options}
    check(made)
    return [
        learning_rate(made, step=step, steps_per_epoch=steps_per_epoch)
        for step in range(made["epochs"] * steps_per_epoch)
    ]


def of_torch(scheduler, steps, *arguments, **options):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3, momentum=0.9)
    schedule = scheduler(optimiser, *arguments, **options)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def test_a_constant_rate():
    assert rates() == [0.3] * 84


@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_steps(steps_per_epoch):
    milestones = [2, 5, 11]
    found = rates(
        schedule="steps", milestones=milestones, factor=0.2, steps_per_epoch=steps_per_epoch
    )
    at = [milestone * steps_per_epoch for milestone in milestones]
    assert found == of_torch(lr_scheduler.MultiStepLR, 12 * steps_per_epoch, at, gamma=0.2)


@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(12, 7), (1, 1), (1, 4), (3, 100)])
def test_one_cycle(epochs, steps_per_epoch):
    steps = epochs * steps_per_epoch
    found = rates(schedule="one_cycle", epochs=epochs, steps_per_epoch=steps_per_epoch)
    expected = of_torch(lr_scheduler.OneCycleLR, steps, max_lr=0.3, total_steps=steps)
    # The same formula: a few roundings of numbers up to the maximum.
    np.testing.assert_allclose(found, expected, rtol=0, atol=4 * EPS * 0.3)
    if steps > 4:
        assert max(found) > 0.29 and found[0] == pytest.approx(0.3 / 25)
    assert found[-1] == pytest.approx(0.3 / 25e4)


@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(12, 7), (1, 1), (3, 100)])
def test_cosine(epochs, steps_per_epoch):
    steps = epochs * steps_per_epoch
    found = rates(schedule="cosine", epochs=epochs, steps_per_epoch=steps_per_epoch)
    expected = of_torch(lr_scheduler.CosineAnnealingLR, steps, T_max=steps)
    # PyTorch takes each rate from the last, with three more roundings.
    np.testing.assert_allclose(found, expected, rtol=4 * steps * EPS)


@pytest.mark.parametrize(("warm_up", "steps"), [(1.0, 7), (2.5, 18), (12.0, 84), (0.01, 0)])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_warm_up_leads_up_to_the_schedule(schedule, warm_up, steps):
    found = rates(schedule=schedule, warm_up=warm_up)
    # LinearLR takes each rate from the last, as CosineAnnealingLR does.
    rising = of_torch(
        lr_scheduler.LinearLR, steps, start_factor=1 / max(steps, 1), total_iters=steps - 1
    )
    np.testing.assert_allclose(found[:steps], rising, rtol=8 * 84 * EPS)
    rest = 84 - steps
    after = [0.3] * rest
    if schedule == "cosine" and rest:
        after = of_torch(lr_scheduler.CosineAnnealingLR, rest, T_max=rest)
    np.testing.assert_allclose(found[steps:], after, rtol=4 * 84 * EPS)


def test_milestones_count_within_a_warm_up():
    found = rates(schedule="steps", warm_up=4.0, milestones=[2], steps_per_epoch=1)
    assert found == pytest.approx([0.075, 0.15, 0.0225, *[0.03] * 9])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "steps", "milestones": [3, 12]}, "milestones: 12 is not before .* 12; take"),
        ({"schedule": "steps", "milestones": [5, 3]}, "milestones: found 3 after 5; list"),
        ({"schedule": "steps", "milestones": [3, 3]}, "milestones: found 3 after 3; list"),
        ({"schedule": "steps"}, "milestones: .* found none; add"),
        ({"warm_up": 12.5}, "warm_up: 12.5 epochs are longer than the training, 12; shorten"),
        ({"schedule": "one_cycle", "warm_up": 1.0}, "warm_up: one_cycle has its own .*; set"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov: it needs momentum, .*; change"),
        ({"nesterov": True, "optimiser": "adamw"}, "nesterov: adamw has no Nesterov .*; set"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=f"^training.{message}[^\n]*$"):
        check({**DEFAULTS, **options})


def test_options_that_the_schedule_does_not_use_are_ignored():
    check({**DEFAULTS, "milestones": [90, 20], "warm_up": 12.0})
    check({**DEFAULTS, "nesterov": True})
    assert rates(milestones=[1]) == rates()


KEEPS = {"epochs": 3, "keep_epochs": [], "keep_steps": []}


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, [0, 21]),
        ({"keep_epochs": [1.0, 0.0, 3.0]}, [0, 7, 21]),
        ({"keep_epochs": [0.5, 0.55, 2.9]}, [0, 4, 20, 21]),  # 3.5 and 3.85: one step
        ({"keep_epochs": [0.01]}, [0, 21]),
        ({"keep_steps": "powers_of_two"}, [0, 1, 2, 4, 8, 16, 21]),
        ({"keep_steps": [19, 4, 21]}, [0, 4, 19, 21]),
        ({"keep_epochs": [1.0, 1.2], "keep_steps": "powers_of_two"}, [0, 1, 2, 4, 7, 8, 16, 21]),
    ],
)
def test_which_steps_are_kept(options, steps):
    assert kept_steps({**KEEPS, **options}, steps_per_epoch=7) == steps
    check_kept({**KEEPS, **options}, steps_per_epoch=7)


def test_a_power_of_two_that_is_the_last_step_is_kept_once():
    made = {**KEEPS, "epochs": 2, "keep_steps": "powers_of_two"}
    assert kept_steps(made, steps_per_epoch=4) == [0, 1, 2, 4, 8]


def test_a_step_beyond_the_last_is_refused():
    with pytest.raises(InputError, match=r"keep_steps: 22 is beyond the last step, 21 \(epochs"):
        check_kept({**KEEPS, "keep_steps": [4, 22]}, steps_per_epoch=7)
