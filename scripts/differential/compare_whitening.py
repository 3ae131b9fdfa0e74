#!/usr/bin/env python3
"""Compares 'quern whiten' with scikit-learn's PCA, and the network that it writes with PyTorch.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_whitening.py

Needs a release build. Crops of the bundled photographs go through the bundled network. Quern's mean, variances and directions must
be those of scikit-learn's PCA(whiten=True) on the vectors that quern whitens, which a checkpoint with the identity for a whitening
returns: directions within a perturbation bound by the rounding of these vectors and the gap to the next variance. Whitened
embeddings and logits must be those of PyTorch from the tensors that quern wrote, as MultiGrain's authors use them, and logits those
of the original network divided by the norm of the pooled vector.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA

import demo_network

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
SIZE = 64
# Of the elements of float32 vectors of length 1, which two normalisations round.
ROUNDING = 2.0**-24
failures = 0


def check(what, value, limit):
    """Prints a difference and counts it as a failure where it is above the limit, or not a number."""
    global failures
    passed = value <= limit
    failures += not passed
    print(f"{'ok  ' if passed else 'FAIL'} {what}: {value:.3g} (at most {limit:.3g})")


def quern(*arguments):
    subprocess.run([QUERN, *arguments, "--quiet", "--json"], check=True, stdout=subprocess.DEVNULL)


def embed(model, folder):
    """Returns quern's normalised embeddings and logits."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "out.safetensors")
        quern("embed", model, folder, "--size", str(SIZE), "--crop-ratio", "1", "-o", path)
        outputs = load_file(path)
        return outputs["normalized_embedding"].astype(np.float64), outputs.get("logits", np.zeros(0)).astype(np.float64)


def whitened_vectors(model, folder):
    """Returns the vectors that quern whitens, from the model with the identity for a whitening. Their norm is not quite 1: each
    normalisation adds 1e-6 to the divisor. The last element of a vector is that of the pooled vector, 1, divided by its norm.
    """
    rows, _ = embed(model, folder)
    return rows * (1 + 1e-6 - 1e-6 * rows[:, -1:])


def crops(folder, count, seed):
    """Writes random crops of the photographs, in the size of the network's input."""
    os.makedirs(folder)
    generator = np.random.default_rng(seed)
    names = sorted(os.listdir(PHOTOGRAPHS))
    images = [Image.open(os.path.join(PHOTOGRAPHS, n)).convert("RGB") for n in names if n.endswith((".jpg", ".png"))]
    for index in range(count):
        image = images[index % len(images)]
        side = int(generator.uniform(0.2, 1) * min(image.size))
        left, top = (int(generator.uniform(0, extent - side)) for extent in image.size)
        image.resize((SIZE, SIZE), box=(left, top, left + side, top + side)).save(os.path.join(folder, f"{index:04}.png"))


def pixels(folder):
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = [np.asarray(Image.open(os.path.join(folder, n)), np.float64) for n in sorted(os.listdir(folder))]
    return torch.from_numpy(((np.stack(images) / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2))


def identity_checkpoint(path):
    """Writes the network without a classifier and with a whitening that changes nothing."""
    state = torch.load(CHECKPOINT, map_location="cpu", weights_only=True)["model_state"]
    tensors = {name: t.numpy() for name, t in state.items() if not name.startswith("classifier.")}
    dimension = state["classifier.weight"].shape[1] + 1
    tensors["whitening.pca.pca_P"] = np.eye(dimension, dtype=np.float32)
    tensors["whitening.pca.pca_m"] = np.zeros(dimension, np.float32)
    save_file(tensors, path)


def pooled(network, images):
    """Returns pooled vectors and logits of the original network in PyTorch."""
    vectors = []
    hook = network.classifier.register_forward_pre_hook(lambda module, inputs: vectors.append(inputs[0]))
    with torch.no_grad():
        logits = network(images)[1]
    hook.remove()
    return vectors[0].double().numpy(), logits.double().numpy()


def normalized(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def compare_with_pca(title, whitened, vectors, components):
    """Compares the whitening in a checkpoint with scikit-learn's of the vectors."""
    tensors = load_file(whitened)
    projection = tensors["whitening.pca.pca_P"].astype(np.float64)
    pca = PCA(n_components=min(vectors.shape), whiten=True, svd_solver="full").fit(vectors)
    deviations = 1 / np.linalg.norm(projection, axis=0)
    directions = (projection * deviations).T[:components]
    variances = pca.explained_variance_[:components]
    check(f"{title}: mean", np.abs(tensors["whitening.pca.pca_m"] - pca.mean_).max(), ROUNDING)
    check(f"{title}: standard deviations", np.abs(deviations[:components] - np.sqrt(variances)).max(), ROUNDING)
    # A perturbation of the vectors turns a direction by its share of the distance to the next variance, and float32 by the rest.
    gaps = np.minimum(np.diff(variances, prepend=np.inf) * -1, -np.diff(variances, append=0))
    bounds = np.maximum(ROUNDING * np.sqrt(variances[0]) / gaps, 1e-6)
    apart = bounds < 1e-2
    distances = np.linalg.norm(directions - pca.components_[:components], axis=1)
    print(f"     {apart.sum()} of {components} variances are apart")
    check(f"{title}: directions, relative to their bound", (distances / bounds)[apart].max(), 1)
    check(f"{title}: directions of the first ten", distances[:10].max(), 1e-6)
    return pca


def compare_with_pytorch(title, whitened, vectors, original, folder):
    """Compares quern's outputs with the formulas of MultiGrain's authors on the tensors that quern wrote."""
    tensors = {name: t.astype(np.float64) for name, t in load_file(whitened).items()}
    embeddings = (vectors - tensors["whitening.pca.pca_m"]) @ tensors["whitening.pca.pca_P"]
    actual, logits = embed(whitened, folder)
    check(f"{title}: 1 - cosine of embeddings", (1 - (normalized(embeddings) * actual).sum(1)).max(), 1e-6)
    if not logits.size:
        return
    full = embeddings.shape[1] == vectors.shape[1]
    expected = (embeddings if full else vectors) @ tensors["classifier.weight"].T + tensors["classifier.bias"]
    largest = np.abs(expected).max()
    check(f"{title}: logits", np.abs(logits - expected).max() / largest, 1e-5)
    check(f"{title}: logits divided by the norm", np.abs(logits - original).max() / largest, 1e-5)
    check(f"{title}: changed first classes", (logits.argmax(1) != original.argmax(1)).sum(), 0)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        path = lambda name: os.path.join(scratch, name)
        many, few, others = path("many"), path("few"), path("others")
        crops(many, 900, 1)
        crops(few, 100, 2)
        crops(others, 64, 3)
        identity_checkpoint(path("identity.safetensors"))
        network = demo_network.load(CHECKPOINT)
        learn = lambda folder, output, *options: quern(
            "whiten", CHECKPOINT, "--images", folder, "--size", str(SIZE), "--crop-ratio", "1", "--no-evaluation", "-o", path(output),
            *options)

        vectors = whitened_vectors(path("identity.safetensors"), others)
        rows, logits = pooled(network, pixels(others))
        rows = np.hstack([rows, np.ones((len(rows), 1))])
        check("vectors of PyTorch", np.abs(normalized(rows) - vectors).max(), 1e-5)
        original = logits / np.linalg.norm(rows, axis=1, keepdims=True)

        learn(many, "many.safetensors")
        pca = compare_with_pca("900 images", path("many.safetensors"), whitened_vectors(path("identity.safetensors"), many), 513)
        compare_with_pytorch("900 images", path("many.safetensors"), vectors, original, others)
        first = pca.transform(vectors)[:, :32]
        learn(many, "first.safetensors", "--dimensions", "32")
        compare_with_pytorch("32 dimensions", path("first.safetensors"), vectors, original, others)
        actual, _ = embed(path("first.safetensors"), others)
        check("32 dimensions: 1 - cosine with scikit-learn", (1 - (normalized(first) * actual).sum(1)).max(), 1e-5)

        learn(few, "few.safetensors", "--variance-floor", "1e-10")
        compare_with_pca("100 images", path("few.safetensors"), whitened_vectors(path("identity.safetensors"), few), 99)
        learn(few, "shrunk.safetensors")
        compare_with_pytorch("100 images, shrunk", path("shrunk.safetensors"), vectors, original, others)
        learn(few, "none.safetensors", "--no-classifier", "--dimensions", "16")
        compare_with_pytorch("without a classifier", path("none.safetensors"), vectors, original, others)
    print("whitening differs" if failures else "whitening agrees")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
