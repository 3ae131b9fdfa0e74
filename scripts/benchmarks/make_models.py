#!/usr/bin/env python3
"""Makes what the benchmark runs on: a MultiGrain checkpoint, the same network as ONNX, calibration images.

    make_models.py TRUNK SIZE IMAGES FOLDER

Weights are random but lively; times do not depend on them. FOLDER gets model.pth, model.onnx, photographs/ (JPEGs of 500 x 375
pixels, as in ImageNet) and pixels.npy (the same images, decoded and normalised, for those who read no JPEG).
"""
import os
import sys

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "differential"))
from compare_with_pytorch import ROOT, Case, gem, normalize  # noqa: E402

PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")


class Exported(nn.Module):
    def __init__(self, case):
        super().__init__()
        # Features may be a function, whose parameters the exporter would not find.
        self.net = case.net
        self.features, self.classifier, self.exponent = case.features, case.classifier, case.exponent

    def forward(self, x):
        pooled = gem(self.features(x), self.exponent)
        return normalize(pooled), self.classifier(pooled)


def export(case, path, size):
    axes = {name: {0: "batch"} for name in ("input", "normalized_embedding", "logits")}
    torch.onnx.export(Exported(case).eval(), (torch.randn(1, 3, size, size),), path, opset_version=17, dynamo=False, dynamic_axes=axes,
                      input_names=["input"], output_names=["normalized_embedding", "logits"])


def make_photographs(count, folder):
    """Crops of the bundled pictures, enlarged: distinct, and as dear to decode as photographs are."""
    os.makedirs(folder)
    names = sorted(name for name in os.listdir(PHOTOGRAPHS) if name.endswith(".jpg"))
    rng = np.random.default_rng(1)
    for index in range(count):
        image = Image.open(os.path.join(PHOTOGRAPHS, names[index * 37 % len(names)])).convert("RGB")
        width, height = (int(side * rng.uniform(0.6, 1)) for side in image.size)
        left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
        enlarged = ImageOps.fit(image.crop((left, top, left + width, top + height)), (500, 375), Image.BICUBIC)
        enlarged.save(os.path.join(folder, f"{index:04}.jpg"), quality=90)


def save_pixels(photographs, size, normalization, path):
    names = sorted(os.listdir(photographs))
    mean, std = (np.array(values, np.float32) for values in normalization)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (len(names), 3, size, size))
    for row, name in zip(rows, names):
        image = ImageOps.fit(Image.open(os.path.join(photographs, name)), (size, size), Image.BILINEAR)
        row[:] = ((np.asarray(image, np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    rows.flush()


def main():
    trunk, size, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    case = Case(trunk, 3.0, False, "legacy", classes=1000)
    case.save(folder)
    export(case, os.path.join(folder, "model.onnx"), size)
    photographs = os.path.join(folder, "photographs")
    make_photographs(count, photographs)
    save_pixels(photographs, size, case.normalization, os.path.join(folder, "pixels.npy"))


if __name__ == "__main__":
    main()
