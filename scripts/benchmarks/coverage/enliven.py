"""Gives a network with random weights what training would: activations of a sane scale in every layer, channels that differ,
residual branches that do not amplify noise, and logits that depend on the image.

Nothing here knows any architecture. `enliven` runs the network on probe images and adjusts each layer as they pass through it:

  - kernels of several pixels are blurred, as trained ones are: random ones answer to noise more than to what is seen;
  - batch norms get varied weights and biases, and running statistics from the probes;
  - in networks without batch norms, convolutions and linear layers with a bias get the weights that a batch norm folded into
    them would leave, in the manner of LSUV (Mishkin and Matas, arXiv 1511.06422);
  - those without a bias are scaled to outputs of unit size;
  - the last of these layers on a residual branch is scaled by a gain, and layer scales are raised from near zero;
  - the classifier is centred and scaled per class, so that no class wins on every image.
"""
import math

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)
WEIGHTS, BIAS_DEVIATION, LAYER_SCALES = (0.4, 1.4), 0.2, (0.2, 0.8)
# The share of the window in kernels: with 0, 1 - cosine of MobileNetV2's embeddings under noise of one grey level is 0.014, and
# with this about what it is in trained networks.
BLUR = 0.7
# Channels that hardly vary are amplified no further than to these shares of the layer's size; with one value per image, as
# behind a global pooling, differences are few and small, and amplifying them would make them chaotic.
SMALLEST_DEVIATION, SMALLEST_POOLED_DEVIATION = 0.05, 0.6


class ResidualBranches(TorchFunctionMode):
    """Finds the layers that residual branches end in, by following tensors: `depth` is the number of layers before a tensor,
    and `ending` the layer that a tensor is the output of, if scaling the layer scales the tensor."""

    ADDITIONS = {"add", "__add__", "__radd__", "add_", "__iadd__"}
    PRODUCTS = {"mul", "__mul__", "__rmul__", "mul_", "__imul__"}
    PRESERVING = {"relu", "relu_", "flatten", "reshape", "view", "permute", "dropout", "contiguous"}

    def __init__(self):
        super().__init__()
        self.ends = []

    def hook(self, module, inputs, output):
        output.depth = max((getattr(x, "depth", 0) for x in inputs if torch.is_tensor(x)), default=0) + 1
        output.ending = module

    def __torch_function__(self, func, types, args=(), kwargs=None):
        flat = [x for argument in args for x in (argument if isinstance(argument, (list, tuple)) else [argument])]
        tensors = [x for x in flat if torch.is_tensor(x)]
        # In-place operations would overwrite what they read here.
        depths = [getattr(x, "depth", 0) for x in tensors]
        endings = [getattr(x, "ending", None) for x in tensors]
        name = getattr(func, "__name__", "")
        result = func(*args, **(kwargs or {}))
        ending = None
        if name in self.ADDITIONS and len(tensors) == 2 and depths[0] != depths[1]:
            end = endings[depths.index(max(depths))]
            if end is not None and end not in self.ends:
                self.ends.append(end)
        elif name in self.PRODUCTS and not any(isinstance(x, nn.Parameter) for x in tensors):
            ending = next((x for x in endings if x is not None), None)
        elif name in self.PRESERVING:
            ending = endings[0] if endings else None
        for x in result if isinstance(result, (list, tuple)) else [result]:
            if torch.is_tensor(x) and not isinstance(x, nn.Parameter):
                x.depth, x.ending = max(depths, default=0), ending
        return result


def ends_of_residual_branches(net, probe):
    branches = ResidualBranches()
    hooks = [m.register_forward_hook(branches.hook) for m in net.modules() if isinstance(m, BATCH_NORMS + WEIGHTED)]
    with branches:
        net(probe)
    for hook in hooks:
        hook.remove()
    return branches.ends


class Adjustment:
    """Adjusts every layer in the forward pass that first reaches it."""

    def __init__(self, net, classifier, gains, liveliness, generator):
        self.classifier, self.gains, self.liveliness, self.generator = classifier, gains, liveliness, generator
        # With batch norms, only gates have layers with a bias: scaled to vary, they would make the network chaotic.
        self.normalizes = any(isinstance(m, BATCH_NORMS) for m in net.modules())
        self.done = set()

    def uniform(self, low, high, count):
        return torch.rand(count, generator=self.generator) * (high - low) + low

    def draw(self, module, count):
        """Weights and biases as of a batch norm that ends where `module` does."""
        gain = self.gains.get(module, 1.0)
        return gain * self.uniform(*WEIGHTS, count), gain * BIAS_DEVIATION * torch.randn(count, generator=self.generator)

    @staticmethod
    def statistics(output, channel, smallest=None):
        """Mean and deviation of each channel, where channels that hardly vary are given a larger deviation."""
        values = output.detach().transpose(0, channel).flatten(1).double()
        if smallest is None:
            smallest = SMALLEST_POOLED_DEVIATION if values.shape[1] == output.shape[0] else SMALLEST_DEVIATION
        size = values.pow(2).mean().sqrt().item()
        return values.mean(1).float(), values.std(1, correction=0).clamp(min=max(smallest * size, 1e-6)).float()

    def before_batch_norm(self, module, inputs):
        if module in self.done:
            return
        self.done.add(module)
        mean, deviation = self.statistics(inputs[0], 1)
        module.running_mean.copy_(mean)
        module.running_var.copy_(deviation ** 2)
        if module.affine:
            weight, bias = self.draw(module, len(mean))
            module.weight.copy_(weight)
            module.bias.copy_(bias)

    def after_weighted(self, module, inputs, output):
        if module in self.done:
            return None
        self.done.add(module)
        channel = output.dim() - 1 if isinstance(module, nn.Linear) else 1
        if module.bias is not None and self.normalizes and module is not self.classifier:
            return None
        if module.bias is None:
            size = output.detach().double().pow(2).mean().sqrt().item()
            module.weight.mul_(self.gains.get(module, 1.0) / max(size, 1e-12))
            return module.forward(*inputs)
        mean, deviation = self.statistics(output, channel, SMALLEST_DEVIATION if module is self.classifier else None)
        weight, bias = self.draw(module, len(mean))
        if module is self.classifier:
            weight = torch.full_like(weight, self.liveliness)
        factor = weight / deviation
        module.weight.mul_(factor.view(-1, *[1] * (module.weight.dim() - 1)))
        module.bias.copy_((module.bias - mean) * factor + bias)
        return module.forward(*inputs)


def raise_layer_scales(net, adjustment):
    """Parameters that begin as one small constant let a residual branch through only after training."""
    for parameter in net.parameters():
        first = parameter.flatten()[0].abs().item()
        if parameter.numel() > 1 and 0 < first <= 1e-2 and bool((parameter == parameter.flatten()[0]).all()):
            parameter.copy_(adjustment.uniform(*LAYER_SCALES, parameter.numel()).view_as(parameter))


def blur_kernels(net):
    """Weighs the pixels of kernels by a window around their centre, and blends them with their projection on the window."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            sides = [torch.exp(-(torch.arange(k) - (k - 1) / 2) ** 2 / (2 * (k / 3) ** 2)) for k in module.kernel_size]
            window = sides[0][:, None] * sides[1]
            weight = module.weight * window
            projection = weight.sum((2, 3), keepdim=True) / window.pow(2).sum() * window
            module.weight.copy_(BLUR * projection + (1 - BLUR) * weight)


@torch.no_grad()
def enliven(net, classifier, probes, seed=0, gain=0.5, liveliness=3.0):
    """Adjusts `net` in place and leaves it in evaluation mode.

    `classifier` is the layer that computes logits, `probes` normalised images [N, 3, H, W], `gain` what residual branches are
    scaled by, and `liveliness` the standard deviation of a logit over images.
    """
    net.eval()
    ends = ends_of_residual_branches(net, probes[:1])
    adjustment = Adjustment(net, classifier, {module: gain for module in ends}, liveliness, torch.Generator().manual_seed(seed))
    blur_kernels(net)
    raise_layer_scales(net, adjustment)
    hooks = []
    for module in net.modules():
        if isinstance(module, BATCH_NORMS):
            hooks.append(module.register_forward_pre_hook(adjustment.before_batch_norm))
        elif isinstance(module, WEIGHTED):
            hooks.append(module.register_forward_hook(adjustment.after_weighted))
        elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
            weight, bias = adjustment.draw(module, module.weight.numel())
            module.weight.copy_(weight.view_as(module.weight))
            if module.bias is not None:
                module.bias.copy_(bias.view_as(module.bias))
    logits = net(probes)
    for hook in hooks:
        hook.remove()
    if not math.isfinite(logits.sum().item()):
        raise ValueError("the network's logits are not finite")
    return len(ends)
