#!/usr/bin/env python3
"""Makes MultiGrain checkpoints with random weights in PyTorch and holds quern's float runtime against PyTorch's outputs.

    python3 -m venv venv && venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_with_pytorch.py --quick
    venv/bin/python scripts/differential/compare_with_pytorch.py --trunk resnet101 --exponent 1.7 --whiten

Needs a release build. Each case saves a checkpoint and pictures of odd sizes as PNG, embeds them with both, and fails where a
normalised embedding differs by more than 1e-5 or a logit by more than 1e-4 of the largest.
"""
import argparse
import itertools
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.numpy import load_file
from torch import nn

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
EMBEDDING_TOLERANCE, LOGITS_TOLERANCE = 1e-5, 1e-4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Height and width: square, and two rectangles that no stride divides.
SIZES = [(224, 224), (203, 350), (250, 301)]


def randomize(model, seed):
    """Weights and running statistics that differ per channel, scaled so that activations neither die nor explode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data = 0.5 + torch.rand(module.num_features, generator=generator)
            module.bias.data = 0.2 * torch.randn(module.num_features, generator=generator)
            module.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(torch.randn(4, 3, 96, 96, generator=generator))
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
        self.net = getattr(torchvision.models, trunk)(num_classes=classes)
        randomize(self.net, seed)
        width = self.net.fc.in_features
        self.features = nn.Sequential(*list(self.net.children())[:-2])
        self.classifier = self.net.fc
        nn.init.normal_(self.classifier.weight, 0, 0.05)
        if whiten:
            d = width + 1
            generator = torch.Generator().manual_seed(seed)
            rotation, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.double))
            self.projection = (rotation * (1 + 20 * torch.rand(d, generator=generator, dtype=torch.double))).float()
            self.mean = 0.01 * torch.rand(d, generator=generator)
            self.classifier = nn.Linear(d, classes)

    def run(self, image):
        pooled = gem(self.features(image), self.exponent)
        if self.whiten:
            pooled = torch.cat([pooled, torch.ones(len(pooled), 1)], 1)
            pooled = (normalize(pooled) - self.mean) @ self.projection
        return normalize(pooled), self.classifier(pooled)

    def save(self, folder):
        state = {}
        for name, tensor in self.net.state_dict().items():
            if not name.startswith("fc."):
                state["features." + name] = tensor
        state["pool.p"] = torch.tensor(float(self.exponent))
        state["classifier.weight"], state["classifier.bias"] = self.classifier.weight.data, self.classifier.bias.data
        if self.whiten:
            state["whitening.pca.pca_P"], state["whitening.pca.pca_m"] = self.projection, self.mean
        path = os.path.join(folder, "model.pth")
        if self.form == "dataparallel":
            state = {"module." + name: tensor for name, tensor in state.items()}
        if self.form == "bare":
            bare = self.net.state_dict()
            torch.save(bare, path)
        else:
            torch.save({"model_state": state, "optimizer_state": {"lr": 0.1}}, path, _use_new_zipfile_serialization=self.form != "legacy")
        return path

    def __str__(self):
        return f"{self.trunk} p={self.exponent} {'whitened ' if self.whiten else ''}{self.form}"


def pictures(folder, seed=7):
    """Smooth colours with noise, as PNG, so that both sides read the same pixels; quern resizes nothing at these sizes."""
    generator = np.random.default_rng(seed)
    paths = []
    for height, width in SIZES:
        coarse = generator.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC)).astype(int)
        image = np.clip(image + generator.integers(-30, 31, image.shape), 0, 255).astype(np.uint8)
        path = os.path.join(folder, f"{height}x{width}.png")
        Image.fromarray(image).save(path)
        paths.append((path, image))
    return paths


def compare(case):
    worst_embedding = worst_logits = 0.0
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = case.save(folder)
        for path, image in pictures(folder):
            x = torch.from_numpy(image).permute(2, 0, 1).float() / 255
            x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
            with torch.no_grad():
                embedding, logits = (t.numpy() for t in case.run(x[None]))
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
    parser.add_argument("--trunk", default="resnet50")
    parser.add_argument("--exponent", type=float, default=3.0)
    parser.add_argument("--whiten", action="store_true")
    parser.add_argument("--form", choices=["legacy", "zip", "dataparallel", "bare"], default="legacy")
    parser.add_argument("--quick", action="store_true", help="a selection that takes a minute or two")
    options = parser.parse_args()
    if not options.quick:
        sys.exit(0 if compare(Case(options.trunk, options.exponent, options.whiten, options.form)) else 1)
    forms = itertools.cycle(["legacy", "zip", "dataparallel"])
    cases = [("resnet18", p, w, next(forms)) for p in (1.0, 1.7, 3.0, float("inf")) for w in (False, True)]
    cases += [("resnet18", 3.0, False, "bare"), ("resnet50", 3.0, True, "legacy"), ("resnet101", 1.7, False, "zip")]
    failed = [case for case in cases if not compare(Case(*case))]
    print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
