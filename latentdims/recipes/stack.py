"""Networks of several seeds as one: a step of all networks takes as many kernels as a step of one.
Only wavelets run separately for each network."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from latentdims import sizes
from latentdims.images.data import Split
from latentdims.models.blocks import Convolution
from latentdims.models.networks import Network
from latentdims.models.outputs import by_image, scores
from latentdims.recipes.optimiser import losses


class Stack:
    """S networks of one architecture, with a copy of their tensors."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.architecture = networks[0].architecture
        self._lone = len(networks) == 1  # the very bits of a network alone, and no kernel more
        self._module = copy.deepcopy(networks[0].module)
        each = [dict(network.module.state_dict(keep_vars=True)) for network in networks]
        learned = dict(self._module.named_parameters())
        if self._lone:
            self._tensors = dict(self._module.state_dict(keep_vars=True))
        else:
            for part in self._module.modules():
                if isinstance(part, Convolution):  # which cannot be asked for within vmap
                    part.memory_format = torch.preserve_format
            self._tensors = {name: _stacked([one[name] for one in each]) for name in each[0]}
        self._learned = {name: self._tensors[name].requires_grad_() for name in learned}
        self._size = len(networks)

    def __len__(self) -> int:
        return self._size

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers (S, ...), which share their memory with the networks."""
        return {name: self._all(tensor.detach()) for name, tensor in self._tensors.items()}

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained."""
        return {name: self._all(tensor.detach()) for name, tensor in self._learned.items()}

    def gradients(self) -> dict[str, Tensor]:
        """Of each parameter (S, ...), which are taken: none is left."""
        found = {}
        for name, tensor in self._learned.items():
            if tensor.grad is not None:
                found[name] = self._all(tensor.grad)
            tensor.grad = None
        return found

    def _all(self, tensor: Tensor) -> Tensor:
        return tensor.unsqueeze(0) if self._lone else tensor

    def network(self, index: int) -> Network:
        """One of them, whose tensors share their memory with the stack."""
        module = copy.deepcopy(self._module).requires_grad_(False)
        for part in module.modules():
            if isinstance(part, Convolution):
                part.memory_format = torch.channels_last
        shared = {name: tensor[index] for name, tensor in self.tensors.items()}
        module.load_state_dict(shared, assign=True)
        return Network(self.architecture, module.eval())

    def losses(self, images: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
        """`optimiser.losses` of each for images of its own: (S, N, C, H, W) and (S, N) -> (S,)."""
        self._train(True)
        return losses(self.logits(images), labels, smoothing)

    def _train(self, training: bool) -> None:
        if self._module.training != training:
            self._module.train(training)

    def logits(self, images: Tensor) -> Tensor:
        """Output of each network for images of its own: (S, N, C, H, W) -> (S, N, classes)."""
        if self._lone:
            found: Tensor = self._module(images[0])
            return found.unsqueeze(0)
        return vmap(self._logits)(self._tensors, images)

    def _logits(self, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        found: Tensor = functional_call(self._module, tensors, (images,))
        return found

    @torch.inference_mode()
    def by_image(self, split: Split) -> Tensor:
        """`outputs.by_image` of each network on the same split, (S, 2, N)."""
        self._train(False)
        if self._lone:
            return by_image(Network(self.architecture, self._module), split).unsqueeze(0)
        found = []
        size = sizes.of(split.labels.device).images_at_once(self.architecture)
        for batch, target in zip(split.images.split(size), split.labels.split(size), strict=True):
            logits = vmap(self._logits, in_dims=(0, None))(self._tensors, batch)
            each = scores(logits.flatten(0, 1), target.repeat(len(self)))
            found.append(each.unflatten(1, (len(self), -1)).movedim(1, 0))
        return torch.cat(found, dim=2)


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """(S, ...): kernels stay channels last, as they lie in memory."""
    if tensors[0].ndim == 4:
        return torch.stack([each.detach().movedim(1, -1) for each in tensors]).movedim(-1, 2)
    return torch.stack([each.detach() for each in tensors])
