"""How much is computed at once, which may change results by rounding alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import integer_images, integer_network

from latentdims import sizes
from latentdims.comparison import moments, passes
from latentdims.comparison.views import NetworkView
from latentdims.models.architecture import Architecture, chain
from latentdims.sizes import Sizes

GB = 1 << 30


@pytest.mark.parametrize(("memory", "values"), [(8, 26), (12, 26), (24, 27), (139, 27)])
def test_a_batch_fits_the_memory_of_a_gpu(memory, values):
    found = Sizes.filling(memory * GB)
    assert found.propagated == found.measured == found.aligned == 1 << values
    # Thirty-two tensors of float32 as large as the largest, or sixteen of float64.
    assert 32 * 4 * found.measured <= memory * GB
    assert 32 * 4 * found.clipped * found.ranks <= memory * GB
    wide = chain((3, 224, 224), [(64, 112, 112), (10,)], taps=[49, 1])
    assert found.images_at_once(wide) == (1 << values) // (64 * 112 * 112)


def test_few_large_images_are_propagated_at_once():
    def of(side, channels):
        shapes = [(channels, side // 2, side // 2), (10,)]
        return sizes.CPU.images_at_once(chain((3, side, side), shapes, taps=[9, 1]))

    assert of(32, 64) == 250
    assert of(32, 512) == (1 << 22) // (512 * 16 * 16)
    assert of(224, 64) == (1 << 22) // (64 * 112 * 112)
    assert of(224, 2) == (1 << 22) // (3 * 224 * 224)
    assert of(20_000, 1) == 1
    # Modules that others have written are trained without any site.
    siteless = Architecture((3, 224, 224), 10, (), (), None)
    assert sizes.CPU.images_at_once(siteless) == (1 << 22) // (3 * 224 * 224)


@pytest.mark.parametrize(("memory", "expected"), [(2, 1), (8, 1), (12, 2), (24, 3), (139, 18)])
def test_jobs_share_a_gpu_that_has_room_for_them(memory, expected):
    found = sizes.jobs(memory * GB)
    assert found == expected
    assert found == 1 or found * sizes.HELD * Sizes.filling(memory * GB).measured < memory * GB


@pytest.mark.parametrize("most", [7, 30, 1000])
@pytest.mark.parametrize("parts", [1, 3, 5])
def test_parts_have_the_same_images_on_every_device(most, parts, monkeypatch):
    """In as few batches as suit each, of one fold."""
    view = NetworkView(integer_network("mlp", seed=0), integer_images(203, seed=0))
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, measured=7 * 4))  # four images

    def batches(part):
        return passes.batches_by_fold([view], part=(part, parts))

    of_cpu = [batches(part) for part in range(parts)]
    gpu = replace(sizes.CPU, measured=7 * most)
    monkeypatch.setattr(sizes, "of", lambda device: gpu)
    of_gpu = [batches(part) for part in range(parts)]
    every = torch.cat([images for of_part in of_gpu for _, images in of_part])
    assert sorted(every.tolist()) == list(range(203))
    for ours, theirs in zip(of_gpu, of_cpu, strict=True):
        assert torch.equal(*(torch.cat([images for _, images in each]) for each in (ours, theirs)))
        assert len(ours) < len(theirs)
        assert max(len(images) for _, images in ours) <= most
        for fold in range(8):
            same = [
                [i for f, images in each if f == fold for i in images] for each in (ours, theirs)
            ]
            assert same[0] == same[1]
        if most == 1000:
            assert len(ours) == len({fold for fold, _ in ours})


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("samples", [1, 2047, 2049, 3 * 2048, 10_000])
def test_products_on_a_gpu_are_as_exact(fast, samples, monkeypatch):
    """Pretended on the CPU: in float64, or in float32 of few rows."""
    monkeypatch.setattr(moments, "has_fast_doubles", lambda device: fast)
    random = np.random.default_rng(samples)
    x, y = (random.normal(size=(samples, width)).astype(np.float32) for width in (5, 3))
    found = moments.product(torch.from_numpy(x), torch.from_numpy(y)).double().numpy()
    exact = x.astype(np.float64).T @ y.astype(np.float64)
    rows = min(samples, moments.ROWS)
    single = float(np.finfo(np.float32).eps) / 2
    of_sums = np.abs(x.astype(np.float64)).T @ np.abs(y.astype(np.float64))
    bound = (rows * single if samples <= moments.ROWS or not fast else 1e-12) * of_sums
    assert (np.abs(found - exact) <= bound).all()
