"""New heads in PyTorch, with the initial values that bv_train draws from a seed."""

import math
import sys

import bv
import torch

sys.path.insert(0, str(bv.SOURCE / "tools"))
from read_head import Head


class TorchHead(Head):
    """A head from its definition (TOML), with bv_train's initial values: by name, parameters and buffers."""

    def __init__(self, definition, states, hidden, seed):
        super().__init__(definition, {})
        self.parameters, self.buffers = {}, {}
        self.generator = torch.Generator().manual_seed(seed)
        self.states, self.lengths = torch.zeros(states, 1, hidden), [1]
        with torch.no_grad():
            assert self._make_chain(self.blocks, "", self.states).shape == (1, 2)

    def to(self, dtype):
        """Has all tensors in dtype."""
        with torch.no_grad():
            for name, value in self.tensors.items():
                own = self.parameters if name in self.parameters else self.buffers
                own[name] = self.tensors[name] = value.detach().to(dtype).requires_grad_(own is self.parameters)

    # Initial values, for which one row of zeros goes through the head.

    def _make_chain(self, blocks, prefix, x):
        for place, block in enumerate(blocks):
            x = self._make(block, f"{prefix}{place}.{block['type']}.", x)
        return x

    def _make(self, block, name, x):
        kind, channels, width = block["type"], x.shape[0], x.shape[-1]
        if kind == "learned_pooling":
            self._add(name + "weights", torch.empty(channels).normal_(0, 0.05, generator=self.generator))
            self._add(name + "gamma", torch.ones(1))
        elif kind == "adapter":
            each = [] if block.get("shared", True) else [channels]
            bound = math.erf(math.sqrt(2))
            quantiles = torch.empty(*each, block["width"], width, dtype=torch.float64)
            quantiles.uniform_(-bound, bound, generator=self.generator)
            self._add(name + "weight", (quantiles.erfinv() * (math.sqrt(2) * 1e-3)).float())
            self._add(name + "bias", torch.zeros(*each, block["width"]))
        elif kind == "linear":
            self._add(name + "weight", self._glorot((block["width"], width), block["width"], width))
            self._add(name + "bias", torch.zeros(block["width"]))
        elif kind in ("conv", "separable_conv"):
            filters, kernel = block["filters"], (block.get("tokens", 1), block.get("kernel", 1))
            pixels = kernel[0] * kernel[1]
            if kind == "conv":
                self._add(name + "weight", self._glorot((filters, channels, *kernel), filters * pixels, channels * pixels))
            else:
                self._add(name + "depthwise", self._glorot((channels, 1, *kernel), pixels, channels * pixels))
                self._add(name + "pointwise", self._glorot((filters, channels, 1, 1), filters, channels))
            if block.get("bias", True):
                self._add(name + "bias", torch.zeros(filters))
        elif kind == "batch_norm":
            size = channels if x.dim() == 3 else width
            self._add(name + "scale", torch.ones(size))
            self._add(name + "shift", torch.zeros(size))
            self.buffers[name + "mean"] = self.tensors[name + "mean"] = torch.zeros(size)
            self.buffers[name + "variance"] = self.tensors[name + "variance"] = torch.ones(size)
        elif kind == "dropout":
            torch.empty((), dtype=torch.int64).random_(generator=self.generator)  # the seed of its masks
        if kind == "repeat":
            for turn in range(block["times"]):
                x = self._make_chain(block["blocks"], f"{name}{turn}.", x)
            return x
        if kind == "residual":
            sums = self._make_chain(block["blocks"], name + "blocks.", x)
            self._make_chain(block.get("shortcut", []), name + "shortcut.", x)
            return sums
        if kind == "branches":
            outputs = [self._make_chain(own, f"{name}{b}.", x) for b, own in enumerate(block["of"])]
            return torch.cat(outputs, 0 if outputs[0].dim() == 3 else 1)
        return self._run(block, name, x)

    def _glorot(self, shape, outputs, inputs):
        bound = math.sqrt(6 / (outputs + inputs))
        return torch.empty(shape).uniform_(-bound, bound, generator=self.generator)

    def _add(self, name, value):
        self.parameters[name] = self.tensors[name] = value.requires_grad_()
