"""Modules of others whose parts run in a row, as the chains that networks are drawn from."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from latentdims.errors import InputError
from latentdims.models import blocks
from latentdims.models.architecture import IMAGES, Architecture, Site, Weight
from latentdims.models.blocks import Block, Convolution, Dense, Map, Normalisation
from latentdims.models.brought.description import BATCHED, passed
from latentdims.models.brought.family import UNDRAWN
from latentdims.models.keys import Keys
from latentdims.models.networks import Network

LEARNED = (nn.Linear, nn.Conv2d)
PASSING = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)  # a rotation of channels passes them
DRAWN = (
    "a draw needs a torch.nn.Sequential of Linear and Conv2d layers, each used once, hidden ones "
    "with bias=False, norms with affine=False and eps=1e-5, square kernels, and padding as a "
    "number, without groups or dilation"
)
NO_CHAIN = f"{UNDRAWN}; {DRAWN}"


def is_of_blocks(module: nn.Module) -> bool:
    """Whether it is a chain as families of this package build it."""
    parts = list(module.children())
    in_row = type(module) is nn.Sequential and len(parts) == len(module)
    return in_row and bool(parts) and all(isinstance(part, Block) for part in parts)


def network(module: nn.Module, images: Tensor) -> Network:
    """A module in evaluation mode as a chain of blocks, which hold its own tensors.

    images: some that it is shown, (n, C, ...). Blocks have the names of their learned maps. Raises
    InputError where it is no chain; a chain that none can be drawn from is `undrawn`.
    """
    output, _ = passed(module, images)
    chain = module if is_of_blocks(module) else nn.Sequential(_blocks(module)).eval()
    found = Network(_described(chain, images), chain)
    if not _same(found.module(images), output):
        raise InputError(NO_CHAIN)
    return found


def names(chain: nn.Module, module: nn.Module) -> Mapping[str, str]:
    """What the module itself calls each tensor of the chain that was made of it."""
    own = {id(tensor): name for name, tensor in module.state_dict(keep_vars=True).items()}
    held = chain.state_dict(keep_vars=True)
    return {name: own[id(tensor)] for name, tensor in held.items()}


def _same(found: Tensor, expected: Tensor) -> bool:
    if not isinstance(expected, Tensor) or found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() <= BATCHED * expected.abs().max())


def _described(chain: nn.Module, images: Tensor) -> Architecture:
    sites, weights, reads, x = [], [], IMAGES, images
    for name, block in chain.named_children():
        weight, channels = block.get_parameter("map.weight"), x.shape[1]
        try:
            x = block(x)
        except RuntimeError:  # such as a Linear of the last axis of images, which no block is
            raise InputError(NO_CHAIN) from None
        sites.append(Site(name, name, tuple(x.shape[1:])))
        size = len(weight), channels, weight[0].numel() // channels
        weights.append(Weight(name, size, reads, name, f"{name}.map.weight"))
        reads = name
    channels, height, width = (*images.shape[1:], 1, 1)[:3]
    return Architecture(
        image_shape=(channels, height, width),
        classes=x.shape[1],
        sites=tuple(sites),
        weights=tuple(weights),
        output=reads,
        undrawn=_undrawn(list(chain.children())[:-1]),
    )


def _undrawn(hidden: Sequence[nn.Module]) -> str:
    """Why networks cannot be drawn from hidden blocks; empty where they can."""
    if not hidden:
        return "it has no hidden layer, and the classifier is not drawn"
    biased, scaled = False, False
    for block in hidden:
        learned = dict(block.named_parameters())
        del learned["map.weight"]
        biased |= learned.pop("map.bias", None) is not None
        scaled |= any(each.numel() > 1 for each in learned.values())
    return Keys(bias=biased, norm="batch" if scaled else "none", affine=scaled).undrawn


def _blocks(module: nn.Module) -> OrderedDict[str, nn.Module]:
    """Each learned map with what follows it, up to the next."""
    if type(module) is not nn.Sequential:
        raise InputError(NO_CHAIN)
    # Not named_children, which has a part once that is used twice, as an activation may be.
    parts = [(name, part) for name, part in module._modules.items() if part is not None]
    maps = [at for at, (_, part) in enumerate(parts) if type(part) in LEARNED]
    if len({id(parts[at][1]) for at in maps}) < len(maps) or not maps:
        raise InputError(NO_CHAIN)
    before = [part for _, part in parts[: maps[0]]]
    if any(type(part) not in PASSING for part in before):
        raise InputError(NO_CHAIN)
    found = OrderedDict[str, nn.Module]()
    for at, following in pairwise([*maps, len(parts)]):
        name, learned = parts[at]
        after = [part for _, part in parts[at + 1 : following]]
        first = before
        before = []
        while following < len(parts) and after and type(after[-1]) in PASSING:
            before.insert(0, after.pop())
        steps = [_step(part) for part in after]
        found[name] = Block(_map(learned), before=_joined(first), after=_joined(steps))
    return found


def _joined(steps: Sequence[nn.Module]) -> nn.Module | None:
    return steps[0] if len(steps) == 1 else nn.Sequential(*steps) if steps else None


def _map(part: nn.Module) -> Map:
    found: Map
    if isinstance(part, nn.Linear):
        found = Dense(part.in_features, part.out_features)
    else:
        assert isinstance(part, nn.Conv2d)
        simple = part.groups == 1 and part.dilation == (1, 1) and part.padding_mode == "zeros"
        keys = [part.kernel_size, part.stride, part.padding]
        if not simple or any(isinstance(key, str) or len({*key}) > 1 for key in keys):
            raise InputError(NO_CHAIN)
        size, stride, padding = (int(key[0]) for key in keys)
        found = Convolution(
            part.in_channels, part.out_channels, size=size, stride=stride, padding=padding
        )
    for name, tensor in part.named_parameters():
        setattr(found, name, tensor)
    return found


def _step(part: nn.Module) -> nn.Module:
    """What follows a map; of a norm, one whose statistics are measured anew for each draw."""
    if any(each.ndim > 1 for each in part.parameters()):
        raise InputError(NO_CHAIN)  # a learned map that is no block
    if not isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) or part.affine:
        return part
    if part.running_mean is None or part.running_var is None or part.eps != blocks.EPS:
        raise InputError(NO_CHAIN)
    found = Normalisation(part.num_features)
    found.mean, found.var = part.running_mean, part.running_var
    return found
