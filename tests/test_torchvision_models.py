"""Classifiers of torchvision, the smallest of each kind: described, or refused in one line."""

import re

import pytest

from latentdims.errors import InputError
from latentdims.models import families
from latentdims.models.brought import makers

pytestmark = pytest.mark.slow

SMALL, LARGE = (3, 32, 32), (3, 224, 224)
AS_IT_IS = (  # also for images of 32 x 32
    *("convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "mnasnet0_5"),
    *("mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11"),
    *("vgg11_bn", "wide_resnet50_2"),
)
WITH_KEYS = {
    "googlenet": (SMALL, {"aux_logits": False}),
    "inception_v3": ((3, 75, 75), {"aux_logits": False}),
    "vit_b_32": (SMALL, {"image_size": 32}),
    "alexnet": ((3, 63, 63), {}),
    "maxvit_t": (LARGE, {}),
}
REFUSED = {
    "alexnet": "if they are too small for it, enlarge them",
    "googlenet": "give it the key aux_logits: false",
    "inception_v3": "if they are too small for it, enlarge them",
    "maxvit_t": "if they are too small for it, enlarge them",
    "vit_b_32": "give the network image_size: 32, or the data set .* size: 224",
}


def parts(name, shape, **keys):
    settings = {"architecture": f"torchvision:{name}", "sites": ["any"], **keys}
    return families.of(settings).parts(image_shape=shape, classes=10)


def kind(name):
    """Of resnet18 and resnet152, resnet."""
    return re.split(r"[\d_]", name)[0]


def test_every_kind_is_tried():
    tried = {kind(name) for name in (*AS_IT_IS, *WITH_KEYS)}
    assert {kind(name) for name in makers._models()} == tried


@pytest.mark.parametrize("name", AS_IT_IS)
def test_as_they_are(name):
    check(parts(name, SMALL))


@pytest.mark.parametrize("name", WITH_KEYS)
def test_with_keys_or_larger_images(name):
    shape, keys = WITH_KEYS[name]
    check(parts(name, shape, **keys))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    family = families.of({"architecture": f"torchvision:{name}", "sites": ["any"]})
    with pytest.raises(InputError, match=REFUSED[name]) as error:
        family.check_made(image_shape=SMALL, classes=10)
    assert "\n" not in str(error.value)


def check(found):
    """Most parts can be sites, and some weights read one."""
    assert len(found.shapes) > 2 * len(found.unmeasured)
    assert any(each.reads for each in found.maps)
