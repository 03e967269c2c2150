"""Heads by PyTorch's own functions from bv_train's definitions, one sequence at a time along the tokens."""

import math
import tomllib

import torch
import torch.nn.functional as F


def same_padding(width, reach, stride):
    """(beginning, end) of the zeros that Keras's padding "same" adds."""
    total = max((math.ceil(width / stride) - 1) * stride + reach - width, 0)
    return total // 2, total - total // 2


class TorchHead:
    """A head from its definition (TOML), with bv_train's names and, drawn from the seed, its initial values."""

    def __init__(self, definition, states, hidden, seed):
        self.blocks = tomllib.loads(definition)["blocks"]
        self.parameters, self.buffers = {}, {}
        self.generator = torch.Generator().manual_seed(seed)
        self.states, self.training, self.lengths = torch.zeros(states, 1, hidden), False, [1]
        with torch.no_grad():
            assert self._make_chain(self.blocks, "", self.states).shape == (1, 2)

    def __call__(self, states, starts=None, training=False):
        """states (L, N, H) of sequences that begin at rows `starts` -> (N, 2)."""
        self.states, self.training = states, training
        self.lengths = torch.diff(torch.as_tensor(starts)).tolist() if starts is not None else [states.shape[1]]
        return self._run_chain(self.blocks, "", states)

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
            self.buffers[name + "mean"] = torch.zeros(size)
            self.buffers[name + "variance"] = torch.ones(size)
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
        self.parameters[name] = value.requires_grad_()

    # The function.

    def _run_chain(self, blocks, prefix, x):
        for place, block in enumerate(blocks):
            x = self._run(block, f"{prefix}{place}.{block['type']}.", x)
        return x

    def _run(self, block, name, x):
        kind = block["type"]
        own = {key[len(name):]: value for key, value in self.parameters.items() if key.startswith(name)}
        if kind == "learned_pooling":
            return own["gamma"] * torch.einsum("l,lnw->nw", torch.softmax(own["weights"], 0), x)
        if kind == "average_pooling":
            return x.mean(0)
        if kind == "adapter":
            equation = "lnw,dw->lnd" if own["weight"].dim() == 2 and x.dim() == 3 else (
                "nw,dw->nd" if x.dim() == 2 else "lnw,ldw->lnd")
            bias = own["bias"] if own["bias"].dim() == 1 else own["bias"][:, None]
            return F.gelu(torch.einsum(equation, x, own["weight"]) + bias, approximate="tanh")
        if kind == "flatten":
            return x.permute(1, 2, 0).flatten(1)
        if kind == "unflatten":
            return x.unflatten(1, (-1, block["channels"])).permute(2, 0, 1)
        if kind == "skip":
            return torch.cat([x, self.states[-1]], 1)
        if kind == "linear":
            return F.linear(x, own["weight"], own["bias"])
        if kind == "conv":
            return self._convolve(block, x, own["weight"], own.get("bias"), 1)
        if kind == "separable_conv":
            y = self._convolve(block, x, own["depthwise"], None, x.shape[0])
            return F.conv2d(y[None], own["pointwise"], own.get("bias"))[0]
        if kind == "pool":
            return self._pool(block, x)
        if kind == "global_average_pool":
            return x.mean(2).T
        if kind == "batch_norm":
            y = F.batch_norm(x[None] if x.dim() == 3 else x, self.buffers[name + "mean"], self.buffers[name + "variance"],
                             own["scale"], own["shift"], self.training, 0.01, 1e-3)
            return y[0] if x.dim() == 3 else y
        if kind == "relu":
            return x.relu()
        if kind == "gelu":
            return F.gelu(x, approximate="tanh")
        if kind == "dropout":
            assert not self.training, "bv_train draws the masks of training"
            return x
        if kind == "repeat":
            for turn in range(block["times"]):
                x = self._run_chain(block["blocks"], f"{name}{turn}.", x)
            return x
        if kind == "residual":
            return self._run_chain(block["blocks"], name + "blocks.", x) + self._run_chain(
                block.get("shortcut", []), name + "shortcut.", x)
        if kind == "branches":
            outputs = [self._run_chain(own, f"{name}{b}.", x) for b, own in enumerate(block["of"])]
            return torch.cat(outputs, 0 if x.dim() == 3 and outputs[0].dim() == 3 else 1)
        raise ValueError(kind)

    def _convolve(self, block, x, weight, bias, groups):
        tokens, kernel = weight.shape[2:]
        stride, dilation = block.get("stride", 1), block.get("dilation", 1)
        sides = (0, 0)
        if block.get("padding", "same") == "same":
            sides = same_padding(x.shape[2], (kernel - 1) * dilation + 1, stride)
        above = (tokens - 1) // 2
        outputs = [F.conv2d(F.pad(own, (*sides, above, tokens - 1 - above))[None], weight, bias, (1, stride), 0,
                            (1, dilation), groups)[0] for own in x.split(self.lengths, 1)]
        return torch.cat(outputs, 1)

    def _pool(self, block, x):
        kernel, stride = block["kernel"], block.get("stride", 1)
        sides = (0, 0)
        if block.get("padding", "same") == "same":
            sides = same_padding(x.shape[2], kernel, stride)
        if block.get("of", "average") == "max":
            return F.pad(x, sides, value=-math.inf).unfold(2, kernel, stride).amax(3)
        seen = F.pad(torch.ones_like(x), sides).unfold(2, kernel, stride).sum(3)
        return F.pad(x, sides).unfold(2, kernel, stride).sum(3) / seen
