"""Learned scattering networks against a plain version with complex numbers and Fourier transforms.

The plain version follows Guth et al., JMLR 25(350), 2024, and shares no code with the package.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from references import scattering as plain
from torch.testing import assert_close

from latentdims.errors import InputError
from latentdims.models.blocks import initialise
from latentdims.models.scattering import collapse, wavelets
from latentdims.models.scattering.collapse import operator
from latentdims.models.scattering.modules import (
    Normalise,
    Pointwise,
    Standardise,
    Wavelets,
    _Normalised,
    network,
)

SHAPE = (3, 32, 32)
BANKS = {"a": wavelets.FINE, "b": wavelets.COARSE, "plain": wavelets.PLAIN}
FORMS = [(scales, skip, norm) for scales in (3, 7) for skip in (0, 1) for norm in (0, 1)]


def plain_network(net, images, scales, skip, norm):
    """The representation after each block, complex ones as complex numbers."""
    weights, state, training = dict(net.named_parameters()), net.state_dict(), net.training

    def standardised(x, name):
        if training:
            return plain.standardised(x, *plain.statistics(x))
        mean, var = (state[f"{name}.{kind}"] for kind in ("mean", "var"))
        mean = torch.view_as_complex(mean) if x.is_complex() else mean.flatten()
        return plain.standardised(x, mean, var.flatten())

    def transform(x, number, place):
        x = plain.collapse(x, plain.STEPS[scales][number], skip=bool(skip))
        x = standardised(x, f"{place}.standardise")
        return plain.normalised(x) if norm else x

    x, found = transform(images, 0, "layer1.before"), []
    for number in range(1, scales + 2):
        x = plain.pointwise(x, weights[f"layer{number}.map.weight"])
        if number <= scales:
            x = transform(x, number, f"layer{number}.after")
            found.append(x)
    x = standardised(plain.parts(x).flatten(1, 2) if skip else x, f"layer{scales + 1}.after")
    found += [x, x.flatten(1) @ weights["classifier.map.weight"].T]
    return found


def as_real(x):
    return plain.parts(x) if x.is_complex() else x


def built(scales, skip, norm, *, seed=0, dtype=torch.float64, **options):
    torch.manual_seed(scales + seed)
    options = {"image_shape": SHAPE, "classes": 4, "width": 1 / 40, **options}
    net = network(scales=scales, skip=bool(skip), norm=bool(norm), **options)
    initialise(net, torch.Generator().manual_seed(scales + seed))
    net = net.to(dtype)
    for name, buffer in net.named_buffers():
        buffer.uniform_(*((0.5, 2) if name.endswith("var") else (-0.5, 0.5)))
    return net


def outputs(net, x):
    found = []
    for block in net:
        x = block(x)
        found.append(x)
    return found


def near(found, expected):
    atol = 1e-10 * max(1, expected.abs().max().item())
    assert_close(found.contiguous(), expected.contiguous(), rtol=1e-10, atol=atol)


@pytest.mark.parametrize("chunk", [collapse.CHUNK, 3000])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("scales", "skip", "norm"), FORMS)
def test_outputs_and_gradients_are_those_of_the_plain_network(
    scales, skip, norm, training, chunk, monkeypatch
):
    monkeypatch.setattr(collapse, "CHUNK", chunk)
    net = built(scales, skip, norm).train(training)
    images = torch.randn(3, *SHAPE, dtype=torch.float64, requires_grad=True)
    inputs = [images, *net.parameters()]
    expected = [as_real(x) for x in plain_network(net, images, scales, skip, norm)]
    found = outputs(net, images)
    expected[-2] = expected[-2].view_as(found[-2])
    # Every block is read, so that the gradient at each of them counts.
    into = [torch.randn_like(x, memory_format=torch.contiguous_format) for x in expected]
    totals = [sum((x * y).sum() for x, y in zip(z, into, strict=True)) for z in (found, expected)]
    for each, wanted in zip(found, expected, strict=True):
        near(each, wanted)
    for each, wanted in zip(*(torch.autograd.grad(total, inputs) for total in totals), strict=True):
        near(each, wanted)


@pytest.mark.parametrize("chunk", [collapse.CHUNK, 5000])
@pytest.mark.parametrize(("scales", "skip", "norm"), FORMS)
def test_networks_in_a_stack_are_each_as_alone(scales, skip, norm, chunk, monkeypatch):
    """Outputs, gradients and statistics of a step; outputs for the same images in evaluation."""
    monkeypatch.setattr(collapse, "CHUNK", chunk)
    nets = [built(scales, skip, norm, seed=seed).train() for seed in (1, 4, 6)]
    stacked = [dict(net.state_dict(keep_vars=True)) for net in nets]
    tensors = {name: torch.stack([each[name] for each in stacked]).detach() for name in stacked[0]}
    for name, _ in nets[0].named_parameters():
        tensors[name].requires_grad_()
    images = torch.randn(3, 2, *SHAPE, dtype=torch.float64, requires_grad=True)
    single = built(scales, skip, norm)

    def logits(own, x):
        return torch.func.functional_call(single, own, (x,))

    found = torch.vmap(logits)(tensors, images)
    into = torch.randn_like(found)
    (found * into).sum().backward()
    for index, net in enumerate(nets):
        seen = images[index].detach().requires_grad_()
        out = net(seen)
        (out * into[index]).sum().backward()
        near(found[index], out)
        near(images.grad[index], seen.grad)
        for name, weight in net.named_parameters():
            near(tensors[name].grad[index], weight.grad)
        for name, buffer in net.named_buffers():
            near(tensors[name][index], buffer)
    single.eval()
    evaluated = torch.vmap(logits, in_dims=(0, None))(tensors, images[0])
    for net, one in zip(nets, evaluated, strict=True):
        near(one, net.eval()(images[0]))


def test_the_axis_of_networks_may_lie_anywhere():
    x = torch.randn(1, 4, 3, 5, dtype=torch.float64)
    found, inverse = torch.vmap(_Normalised.apply, in_dims=2)(x)
    for index in range(3):
        expected = _Normalised.apply(x[:, :, index])
        assert_close((found[index], inverse[index]), expected)


@pytest.mark.parametrize(("scales", "skip", "norm"), FORMS)
def test_single_precision_is_near_double(scales, skip, norm):
    net, images = built(scales, skip, norm), torch.randn(5, *SHAPE, dtype=torch.float64)
    expected = net(images)
    found = built(scales, skip, norm).float()(images.float())
    assert_close(found.double(), expected, rtol=0, atol=1e-4 * expected.abs().max().item())


def test_the_network_is_its_blocks_in_order():
    net = built(3, 1, 1, last=6)
    assert [name for name, _ in net.named_children()] == [
        *("layer1", "layer2", "layer3", "layer4", "classifier")
    ]
    for block in net:
        assert [name for name, _ in block.named_children()] == ["before", "map", "after"]
    shapes = {name: tuple(weight.shape) for name, weight in net.named_parameters()}
    assert shapes == {
        "layer1.map.weight": (2, 30),
        "layer2.map.weight": (3, 20),
        "layer3.map.weight": (6, 30),
        "layer4.map.weight": (6, 60),
        "classifier.map.weight": (4, 6 * 2 * 2 * 2),
    }
    images = torch.randn(2, *SHAPE, dtype=torch.float64)
    sizes = [tuple(x.shape[1:]) for x in outputs(net.eval(), images)]
    assert sizes == [(20, 2, 8, 8), (30, 2, 4, 4), (60, 2, 2, 2), (6, 2, 2, 2), (4,)]
    assert_close(net(images), outputs(net, images)[-1])


COUNTS = {
    (7, False, None): [98_040, 386_800, 1_536_480, 6_124_480, 24_455_040, 97_734_400],
    (7, True, None): [196_080, 773_600, 3_072_960, 12_248_960, 48_910_080, 195_468_800],
    (3, False, 512): [105_720, 197_360, 399_840, 881_600, 2_152_320, 5_922_560],
    (3, True, None): [32_240, 118_240, 451_520, 1_763_200],
}


@pytest.mark.parametrize(("scales", "skip", "last"), COUNTS)
def test_numbers_of_parameters_of_the_paper(scales, skip, last):
    shape, settings = (3, 32, 32), {"scales": scales, "skip": skip, "norm": True, "last": last}
    for power, expected in enumerate(COUNTS[scales, skip, last]):
        with torch.device("meta"):
            net = network(image_shape=shape, classes=10, width=2.0 ** (power - 3), **settings)
        assert sum(weight.numel() for weight in net.parameters()) == expected


def test_no_layer_is_empty():
    assert wavelets.widths(3, 1e-3) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("a", 0.161, 1.015), ("b", 0.047, 1.015), ("plain", 0.132, 1.0)]
)
@pytest.mark.parametrize("n", [36, 20, 12, 8])
def test_filters(kind, low, high, n):
    found = wavelets.filters(BANKS[kind], n)
    expected = plain.filters(kind, n)
    assert_close(np.fft.fft2(found), expected.numpy() + 0j, rtol=0, atol=1e-14)
    power = expected.square().numpy()
    opposite = np.roll(power[:, ::-1, ::-1], 1, (1, 2))
    total = power[0] + (power[1:] + opposite[1:]).sum(0) / 2  # Littlewood and Paley
    assert [round(total.min(), 3), round(total.max(), 3)] == [low, high]


@pytest.mark.parametrize("size", [8, 16])
def test_matrices_hold_no_numbers_that_are_subnormal_in_float32(size):
    step = wavelets.step(wavelets.FINE, size, parts=2, low_parts=2)
    for matrix in (step.columns, step.low, *(part.matrix for part in step.band)):
        assert np.abs(matrix[matrix != 0]).min() > 1e-18


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(("kind", "size"), [("a", 4), ("a", 5), ("b", 6), ("plain", 10)])
def test_gradients_of_wavelets_and_collapse(kind, size, parts, skip):
    shape = (2, 2, 2, size, size) if parts == 2 else (2, 2, size, size)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Wavelets(BANKS[kind], skip=skip), (x,), fast_mode=True)
    u = plain.whole(x) if parts == 2 else x
    near(Wavelets(BANKS[kind], skip=skip)(x), as_real(plain.collapse(u, kind, skip=skip)))


@pytest.mark.parametrize("form", ["real", "complex", "parts", None])
def test_gradients_of_standardisation_and_norm(form):
    module = Standardise(3, form=form) if form else Normalise()
    shape = (3, 3, 2, 2) if form == "real" else (3, 3, 2, 2, 2)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    for training in (True, False):
        assert torch.autograd.gradcheck(module.double().train(training), (x,))


@pytest.mark.parametrize("skip", [False, True])
def test_the_gradient_of_a_modulus_at_zero_is_zero(skip):
    x = torch.zeros(2, 1, 8, 8, requires_grad=True)
    out = Wavelets(wavelets.PLAIN, skip=skip)(x)
    modulus = out[:, 5:] if skip else out[:, 1:]
    modulus.sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("scales", "skip", "norm"), FORMS)
def test_images_of_zeros_give_numbers(scales, skip, norm, training):
    net = built(scales, skip, norm, dtype=torch.float32).train(training)
    for name, buffer in net.named_buffers():
        buffer.fill_(name.endswith("var"))
    images = torch.zeros(3, *SHAPE, requires_grad=True)
    logits = net(images)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    for found in (logits, images.grad, *(weight.grad for weight in net.parameters())):
        assert found.isfinite().all()


@pytest.mark.parametrize(
    ("form", "mean", "var"), [("real", 3, 3), ("complex", 6, 3), ("parts", 6, 6)]
)
def test_statistics_move_by_a_tenth_and_evaluation_is_exact(form, mean, var):
    module = Standardise(3, form=form).double()
    assert (module.mean.numel(), module.var.numel()) == (mean, var)
    shape = (5, 3, 4, 4) if form == "real" else (5, 3, 2, 4, 4)
    x = 2 * torch.randn(shape, dtype=torch.float64) + 1
    trained = module(x)
    where = [axis for axis in range(x.ndim) if axis != 1 and (axis != 2 or form == "real")]
    mean, var = x.mean(where), x.var(where)  # of each part
    var = var.sum(1) if form == "complex" else var
    assert_close(module.mean, 0.1 * mean)
    assert_close(module.var, 0.9 + 0.1 * var)
    module.mean.copy_(mean)
    module.var.copy_(var * (79 / 80))
    assert_close(module.eval()(x), trained)
    assert_close(module.mean, mean)


def test_real_standardisation_is_batch_norm():
    module, norm = Standardise(3, form="real"), torch.nn.BatchNorm2d(3, affine=False)
    for _ in range(3):
        x = torch.randn(5, 3, 4, 4) + 1
        assert_close(module(x), norm(x))
    assert_close(module.mean, norm.running_mean)
    assert_close(module.var, norm.running_var)
    assert_close(module.eval()(x), norm.eval()(x))


def test_representations_may_lie_in_memory_in_any_way():
    net = built(3, 1, 1).eval()
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    expected = net(x)
    for block in net:
        x = block(x).clone(memory_format=torch.contiguous_format)
    assert_close(x, expected)


def test_learned_matrices_act_alike_on_both_parts():
    module, x = Pointwise(3, 5), torch.randn(4, 3, 2, 6, 6)
    initialise(module, torch.Generator().manual_seed(1))
    for part in range(2):
        expected = torch.einsum("dc,nchw->ndhw", module.weight, x[:, :, part])
        assert_close(module(x)[:, :, part], expected)
    assert module.weight.abs().max() <= 1 / math.sqrt(3)


def test_inference_first_leaves_training_possible():
    operator.cache_clear()
    net, images = built(3, 1, 1), torch.randn(2, *SHAPE, dtype=torch.float64)
    with torch.inference_mode():
        net(images)
    net(images).sum().backward()


@pytest.mark.parametrize(
    ("shape", "scales", "words"),
    [
        ((3, 32, 30), 3, ["32 x 30", "square"]),
        ((3, 24, 24), 3, ["24 x 24", "layer3 would read maps of 3 x 3", "multiple of 16"]),
        ((3, 31, 31), 3, ["31 x 31", "layer1 would read maps of 31 x 31"]),
        ((3, 16, 16), 3, ["16 x 16", "layer3 would read maps of 2 x 2", "from 32 on"]),
        ((3, 24, 24), 7, ["24 x 24", "layer7 would read maps of 3 x 3"]),
        (SHAPE, 5, ["5 scales", "3 or 7"]),
    ],
)
def test_images_that_do_not_fit_are_refused(shape, scales, words):
    with pytest.raises(InputError) as error:
        network(image_shape=shape, classes=4, scales=scales, width=0.1, skip=True, norm=True)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("scales", [3, 7])
@pytest.mark.parametrize("size", [32, 48])
def test_sizes_halve_four_times(scales, size):
    found = wavelets.sizes((1, size, size), scales)
    assert len(found) == scales + 2 and found[-1] == size // 16
    assert sum(small < large for large, small in pairwise(found)) == 4


def test_larger_images_leave_more_positions_to_the_classifier():
    net = built(3, 0, 0, image_shape=(1, 48, 48))
    images = torch.randn(2, 1, 48, 48, dtype=torch.float64)
    near(net(images), plain_network(net, images, 3, 0, 0)[-1])
