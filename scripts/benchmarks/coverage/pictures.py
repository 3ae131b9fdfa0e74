"""The images of scripts/coverage: which to calibrate and which to measure on, and the same pixels for all who read them.

The images to measure on are cropped once and stored as PNGs of the network's size, which quern reads without resizing, and as an
array for the peers. Quern calibrates on the original files, from which it makes its augmented crops; the peers calibrate on
crops of the same files.
"""
import hashlib
import os
import random
import shutil

import numpy as np
from PIL import Image

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
BUNDLED = os.path.join(ROOT, "fixtures", "photographs")
KEPT = os.path.join(ROOT, ".build", "coverage")
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def files_in(folder):
    found = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names
             if name.lower().endswith((".jpg", ".jpeg", ".png"))]
    if not found:
        raise SystemExit(f"no images in {folder}")
    return sorted(found)


def split(calibration, images, held_out, seed):
    """The files to calibrate on and those to measure on: of two folders, or of one, of which `held_out` files chosen by `seed`
    are kept from calibration."""
    files = files_in(calibration)
    if images:
        return files, files_in(images)
    if held_out >= len(files):
        raise SystemExit(f"--held-out {held_out}: the folder has {len(files)} images")
    kept = set(random.Random(seed).sample(files, held_out))
    return [path for path in files if path not in kept], sorted(kept)


def digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def digest_of_files(paths):
    return digest(*(hashlib.sha256(open(path, "rb").read()).hexdigest() for path in paths))


def crop(path, preparation, size):
    """Short side to the size divided by the crop ratio, rounded down, then the centre."""
    image = Image.open(path).convert("RGB")
    short = int(size / preparation.crop_ratio)
    width, height = image.size
    width, height = (short, short * height // width) if width <= height else (short * width // height, short)
    image = image.resize((width, height), FILTERS[preparation.resize])
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))


class Pictures:
    """A list of image files, as a network takes them. What is made of them is kept for the next time."""

    def __init__(self, files, preparation, size):
        self.files, self.count = files, len(files)
        self.key = digest(digest_of_files(files), preparation, size)
        self.folder = os.path.join(KEPT, "images", self.key)
        self.originals, self.crops = os.path.join(self.folder, "originals"), os.path.join(self.folder, "crops")
        self.array = os.path.join(self.folder, "pixels.npy")
        if not os.path.isdir(self.folder):
            self.make(preparation, size)

    def make(self, preparation, size):
        unfinished = self.folder + ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        os.makedirs(os.path.join(unfinished, "originals"))
        os.makedirs(os.path.join(unfinished, "crops"))
        mean, std = (np.array(values, np.float32) for values in (preparation.mean, preparation.std))
        rows = []
        for index, path in enumerate(self.files):
            shutil.copyfile(path, os.path.join(unfinished, "originals", f"{index:05}-{os.path.basename(path)}"))
            image = crop(path, preparation, size)
            image.save(os.path.join(unfinished, "crops", f"{index:05}.png"))
            rows.append(((np.asarray(image, np.float32) / 255 - mean) / std).transpose(2, 0, 1))
        np.save(os.path.join(unfinished, "pixels.npy"), np.stack(rows))
        os.rename(unfinished, self.folder)

    def pixels(self):
        return np.load(self.array, mmap_mode="r")
