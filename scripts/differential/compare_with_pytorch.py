#!/usr/bin/env python3
"""Makes MultiGrain checkpoints with random weights in PyTorch and compares quern's float runtime with PyTorch's outputs.

    python3 -m venv venv && venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_with_pytorch.py --quick
    venv/bin/python scripts/differential/compare_with_pytorch.py --large
    venv/bin/python scripts/differential/compare_with_pytorch.py --trunk resnet101 --exponent 1.7 --whiten

Needs a release build. Each case saves a checkpoint and pictures of several sizes as PNG, computes their embeddings with quern
and PyTorch, and fails if a normalised embedding differs by more than 1e-5 or a logit by more than 1e-4 of the largest.
"""
import argparse
import itertools
import os
import subprocess
import sys
import tempfile

import numpy as np
import pretrainedmodels
import torch
import torchvision
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
EMBEDDING_TOLERANCE, LOGITS_TOLERANCE = 1e-5, 1e-4
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
TRUNKS = ["resnet18", "resnet50", "resnet101", "resnet152", "se_resnet50", "se_resnext50_32x4d", "senet154", "nasnetamobile",
          "nasnetalarge", "pnasnet5large"]
FORMS = ["legacy", "zip", "dataparallel", "half", "safetensors", "bare"]
# Height and width: square, and two rectangles that no stride divides.
SIZES = [(224, 224), (203, 350), (250, 301)]


class CommonCorner(TorchFunctionMode):
    """Crops maps of unequal height or width to their common top-left corner before additions and concatenations, as the
    paper's code does to run NASNets on images of any size."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name == "cat":
            args = (self.corner(args[0]), *args[1:])
        elif name in ("add", "__add__") and all(isinstance(a, torch.Tensor) and a.ndim == 4 for a in args[:2]):
            args = (*self.corner(args[:2]), *args[2:])
        return function(*args, **kwargs)

    @staticmethod
    def corner(maps):
        if any(m.ndim != 4 for m in maps):
            return maps
        height, width = (min(m.shape[axis] for m in maps) for axis in (2, 3))
        return [m if m.shape[2:] == (height, width) else m[:, :, :height, :width] for m in maps]


def make_net(trunk, classes):
    """Returns the network, its trunk as a function, and the name of its classifier."""
    if trunk.startswith("resnet"):
        net = getattr(torchvision.models, trunk)(num_classes=classes)
        return net, nn.Sequential(*list(net.children())[:-2]), "fc"
    net = getattr(pretrainedmodels, trunk)(num_classes=classes, pretrained=None)
    if "nasnet" in trunk:
        return net, lambda x: net.features(x).relu(), "last_linear"
    return net, net.features, "last_linear"


def picture(generator, height, width):
    """Random pixels [height, width, 3]: smooth colours with noise."""
    coarse = generator.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC)).astype(int)
    return np.clip(image + generator.integers(-30, 31, image.shape), 0, 255).astype(np.uint8)


def normalized(pixels, normalization):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in normalization)
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def randomize(model, run, normalization, seed):
    """Sets random weights, and running statistics that differ per channel. The statistics are measured on pictures like the
    compared ones, so that activations neither vanish nor grow without bound; rounding would dominate the outputs otherwise."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data = 0.3 + 0.6 * torch.rand(module.num_features, generator=generator)
            module.bias.data = 0.2 * torch.randn(module.num_features, generator=generator)
            module.momentum = 1.0
    model.train()
    with torch.no_grad():
        run(normalized(torch.stack([torch.from_numpy(picture(rng, 128, 128)) for _ in range(8)]), normalization))
    model.eval()


def gem(features, exponent):
    if exponent == float("inf"):
        return features.amax((2, 3))
    if exponent == 1:
        return features.mean((2, 3))
    return features.clamp(min=1e-6).pow(exponent).mean((2, 3)).pow(1 / exponent)


def normalize(rows):
    return rows / (rows.norm(dim=1, keepdim=True) + 1e-6)


class Case:
    def __init__(self, trunk, exponent, whiten, form, classes=37, seed=1):
        self.trunk, self.exponent, self.whiten, self.form = trunk, exponent, whiten, form
        torch.manual_seed(seed)
        self.net, self.features, self.classifier_name = self.make(trunk, classes)
        self.normalization = HALF if "nasnet" in trunk else IMAGENET
        with CommonCorner():
            randomize(self.net, self.features, self.normalization, seed)
        self.classifier = self.net.get_submodule(self.classifier_name)
        nn.init.normal_(self.classifier.weight, 0, 0.05)
        if whiten:
            d = self.classifier.in_features + 1
            generator = torch.Generator().manual_seed(seed)
            rotation, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.double))
            self.projection = (rotation * (1 + 20 * torch.rand(d, generator=generator, dtype=torch.double))).float()
            self.mean = 0.01 * torch.rand(d, generator=generator)
            self.classifier = nn.Linear(d, classes)
        if form == "half":
            tensors = list(self.net.state_dict().values()) + list(self.classifier.state_dict().values())
            for tensor in tensors + ([self.projection, self.mean] if whiten else []):
                if tensor.is_floating_point():
                    tensor.copy_(tensor.half().float())
            if exponent != float("inf"):
                self.exponent = float(np.float16(exponent))

    def make(self, trunk, classes):
        return make_net(trunk, classes)

    def run(self, image):
        with CommonCorner():
            pooled = gem(self.features(image), self.exponent)
        if self.whiten:
            pooled = torch.cat([pooled, torch.ones(len(pooled), 1)], 1)
            pooled = (normalize(pooled) - self.mean) @ self.projection
        return normalize(pooled), self.classifier(pooled)

    def state(self):
        """The tensors, named as in MultiGrain's checkpoints, or as in the network if the form is 'bare'."""
        if self.form == "bare":
            return dict(self.net.state_dict())
        is_nasnet = "nasnet" in self.trunk
        prefix = "features.0.base_net." if is_nasnet else "features."
        state = {prefix + name: tensor for name, tensor in self.net.state_dict().items()
                 if is_nasnet or not name.startswith(self.classifier_name)}
        state["pool.p"] = torch.tensor(float(self.exponent))
        state["classifier.weight"], state["classifier.bias"] = self.classifier.weight.data, self.classifier.bias.data
        if self.whiten:
            state["whitening.pca.pca_P"], state["whitening.pca.pca_m"] = self.projection, self.mean
        if self.form == "half":
            state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        if self.form == "dataparallel":
            state = {"module." + name: tensor for name, tensor in state.items()}
        return state

    def save(self, folder):
        path = os.path.join(folder, "model.pth")
        state = self.state()
        if self.form == "safetensors":
            save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path)
        elif self.form == "bare":
            torch.save(state, path)
        else:
            content = {"model_state": state, "optimizer_state": {"lr": 0.1}}
            torch.save(content, path, _use_new_zipfile_serialization=self.form != "legacy")
        return path

    def __str__(self):
        return f"{self.trunk} p={self.exponent} {'whitened ' if self.whiten else ''}{self.form}"


def pictures(folder, seed=7):
    """Saves pictures as PNG, so that both sides read the same pixels. The options used make quern resize none of them."""
    generator = np.random.default_rng(seed)
    paths = []
    for height, width in SIZES:
        image = picture(generator, height, width)
        path = os.path.join(folder, f"{height}x{width}.png")
        Image.fromarray(image).save(path)
        paths.append((path, image))
    return paths


def compare(case):
    worst_embedding = worst_logits = 0.0
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = case.save(folder)
        for path, image in pictures(folder):
            with torch.no_grad():
                x = normalized(torch.from_numpy(image)[None], case.normalization)
                embedding, logits = (t.numpy() for t in case.run(x))
            output = os.path.join(folder, "out.safetensors")
            command = [QUERN, "embed", checkpoint, path, "-o", output, "--crop", "rect", "--size", str(max(image.shape[:2])), "--quiet"]
            if case.form == "bare":
                command += ["--pooling-exponent", str(case.exponent)]
            subprocess.run(command, check=True)
            actual = load_file(output)
            worst_embedding = max(worst_embedding, float(np.abs(actual["normalized_embedding"] - embedding).max()))
            worst_logits = max(worst_logits, float(np.abs(actual["logits"] - logits).max() / np.abs(logits).max()))
    passed = worst_embedding <= EMBEDDING_TOLERANCE and worst_logits <= LOGITS_TOLERANCE
    print(f"{'ok  ' if passed else 'FAIL'} {str(case):44} embedding {worst_embedding:.1e}  logits {worst_logits:.1e}", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", choices=TRUNKS, default="resnet50")
    parser.add_argument("--exponent", type=float, default=3.0)
    parser.add_argument("--whiten", action="store_true")
    parser.add_argument("--form", choices=FORMS, default="legacy")
    parser.add_argument("--quick", action="store_true", help="a selection that takes a minute or two")
    parser.add_argument("--large", action="store_true", help="the large trunks: some minutes, and 4 GB of memory")
    options = parser.parse_args()
    if not options.quick and not options.large:
        sys.exit(0 if compare(Case(options.trunk, options.exponent, options.whiten, options.form)) else 1)
    forms = itertools.cycle(["legacy", "zip", "dataparallel"])
    cases = [("resnet18", p, w, next(forms)) for p in (1.0, 1.7, 3.0, float("inf")) for w in (False, True)]
    cases += [("resnet18", 3.0, False, "bare"), ("resnet50", 3.0, True, "legacy"), ("resnet101", 1.7, False, "zip")]
    cases += [("se_resnext50_32x4d", 3.0, False, "half"), ("se_resnet50", 1.0, False, "bare")]
    cases += [("nasnetamobile", 1.7, True, "safetensors"), ("nasnetamobile", 1.0, False, "bare")]
    if options.large:
        cases = [("senet154", 1.6, False, "legacy"), ("senet154", 3.0, True, "zip"), ("pnasnet5large", 1.7, True, "legacy"),
                 ("pnasnet5large", float("inf"), False, "bare"), ("nasnetalarge", 1.7, False, "half")]
    failed = [case for case in cases if not compare(Case(*case))]
    print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
