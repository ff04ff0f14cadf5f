"""The optimiser of stacked networks against PyTorch's on each alone; the loss likewise."""

import pytest
import torch
from torch.nn import functional

from latentdims.recipes.optimiser import Optimiser, clipped, losses

DEFAULTS = {
    "optimiser": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 5e-4,
    "gradient_clipping": None,
}
ADAMW = {"optimiser": "adamw", "weight_decay": 0.05}
# Sizes that no vector instruction divides, and a single number.
SHAPES = {"conv": (5, 3, 3, 3), "classifier": (3, 37), "bias": (3,), "scale": ()}
OPTIONS = [
    {},
    {"weight_decay": 0.0},
    {"momentum": 0.0},
    {"nesterov": True},
    {"gradient_clipping": 3.0},
    ADAMW,
    {**ADAMW, "weight_decay": 0.0},
    {**ADAMW, "gradient_clipping": 3.0},
]
RATES = [0.1, 0.03, 0.07, 0.07, 0.001]


def tensors(networks, *, seed):
    """Random tensors (S, ...), those of convolutions with their channels last."""
    generator = torch.Generator().manual_seed(seed)
    made = {n: torch.randn(networks, *s, generator=generator) for n, s in SHAPES.items()}
    made["conv"] = made["conv"].movedim(2, -1).contiguous().movedim(-1, 2)
    return made


def gradients(networks, step):
    """Of very different sizes, so that only some are clipped."""
    sizes = torch.tensor([1.0, 0.01, 0.3])[:networks]
    return {
        name: each * sizes.view(-1, *[1] * (each.ndim - 1))
        for name, each in tensors(networks, seed=1 + step).items()
    }


def alone(index, networks, options):
    """Weights of one network after all steps of PyTorch's optimiser."""
    weights = {n: w[index].clone().requires_grad_() for n, w in tensors(networks, seed=0).items()}
    kinds = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
    own = ("momentum", "nesterov") if options["optimiser"] == "sgd" else ()
    optimiser = kinds[options["optimiser"]](
        weights.values(),
        lr=1.0,
        weight_decay=options["weight_decay"],
        fused=options["optimiser"] == "sgd",
        **{key: options[key] for key in own},
    )
    for step, rate in enumerate(RATES):
        optimiser.param_groups[0]["lr"] = rate
        for name, gradient in gradients(networks, step).items():
            weights[name].grad = gradient[index].clone()
        if options["gradient_clipping"]:
            torch.nn.utils.clip_grad_norm_(weights.values(), options["gradient_clipping"])
        optimiser.step()
    return weights


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_network_takes_the_steps_of_pytorch_s_optimiser(options, networks):
    options = {**DEFAULTS, **options}
    weights = {n: w.requires_grad_() for n, w in tensors(networks, seed=0).items()}
    optimiser = Optimiser(weights, options)
    for step, rate in enumerate(RATES):
        optimiser.begin(rate)
        optimiser.step(gradients(networks, step))
    # The fused kernel multiplies and adds at once, but not in the last numbers of a tensor, fewer
    # than a register holds: for several networks, these are others. Three roundings a step, of
    # numbers below 8.
    exact = networks == 1 or options["optimiser"] == "adamw"
    tolerance = 0 if exact else 3 * len(RATES) * 8 * 2**-24
    for index in range(networks):
        for name, weight in alone(index, networks, options).items():
            assert weights[name].abs().max() < 8
            assert (weights[name][index] - weight).abs().max() <= tolerance, (name, index)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_another_resumes_after_any_step_with_the_same_bytes(options):
    options = {**DEFAULTS, **options}

    def after(stops):
        weights = tensors(3, seed=0)
        optimiser = Optimiser(weights, options)
        for step, rate in enumerate(RATES):
            if step in stops:
                state, weights = optimiser.state(), {n: w.clone() for n, w in weights.items()}
                optimiser.begin(5.0)
                optimiser.step(gradients(3, 9))  # which changes nothing of the state
                optimiser = Optimiser(weights, options)
                optimiser.restore(state)
            optimiser.begin(rate)
            optimiser.step(gradients(3, step))
        made = {**{n: w.numpy() for n, w in weights.items()}, **optimiser.state()}
        return {name: array.tobytes() for name, array in made.items()}

    whole = after([])
    for stops in ([0], [1], [2], [3], [4], range(5)):
        assert after(stops) == whole


def test_gradients_are_clipped_by_the_norm_of_each_network_and_not_in_place():
    given = gradients(3, 0)
    found = clipped(given, 10.0)
    norms = {}
    for name, each in (("given", given), ("found", found)):
        squares = [tensor.double().reshape(3, -1).square().sum(1) for tensor in each.values()]
        norms[name] = sum(squares).sqrt().tolist()
    assert norms["given"][0] > 10 > norms["given"][2] > norms["given"][1]
    # PyTorch adds 1e-6 to the norm; the rest is the rounding of sums of positive numbers.
    expected = [10 * norms["given"][0] / (norms["given"][0] + 1e-6), *norms["given"][1:]]
    numbers = sum(tensor[0].numel() for tensor in given.values())
    assert norms["found"] == pytest.approx(expected, rel=numbers * 2**-24)
    for name, tensor in gradients(3, 0).items():
        assert torch.equal(tensor, given[name])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("networks", [1, 3])
def test_losses_are_those_of_each_network_alone(networks, smoothing):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(networks, 250, 7, generator=generator).requires_grad_()
    labels = torch.randint(7, (networks, 250), generator=generator)
    found = losses(logits, labels, smoothing)
    (slopes,) = torch.autograd.grad(found.sum(), logits)
    for index in range(networks):
        own = logits[index].detach().requires_grad_()
        loss = functional.cross_entropy(own, labels[index], label_smoothing=smoothing)
        (slope,) = torch.autograd.grad(loss, own)
        if networks == 1:
            assert torch.equal(found[0], loss) and torch.equal(slopes[0], slope)
        # Sums of positive numbers, one for each sample and class, in another order.
        assert found[index].item() == pytest.approx(loss.item(), rel=1750 * 2**-24)
        # At most 1/250 in size; the softmax sums seven numbers.
        assert (slopes[index] - slope).abs().max() <= 14 * 2**-24 / 250
    assert found.shape == (networks,)
