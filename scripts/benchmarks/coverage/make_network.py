#!/usr/bin/env python3
"""Makes a network in all forms: with its weights if it is trained, otherwise lively.

    make_network.py NAME SIZE SEED PIXELS.npy FOLDER

PIXELS.npy has the probe images, normalised [N, 3, SIZE, SIZE]. FOLDER gets the files in networks.FILES as far as their exporter
succeeds, and about.json, which says what failed and how lively the network is.
"""
import contextlib
import json
import os
import sys

import numpy as np
import torch

from enliven import enliven
from networks import FILES, TRAINED, WithEmbedding, build, classifier_of, export, preparation

PROBES, NOISE = 32, 1 / 255


def cosines(a, b):
    return torch.nn.functional.cosine_similarity(a.double(), b.double())


@torch.no_grad()
def liveliness(model, pixels, std):
    """How the network answers: the mean cosine of the embeddings of different images, and the mean drift of an image under noise
    of a level of its pixels. Trained networks have cosines well below 1 and drift little."""
    embeddings, logits = model(pixels)
    generator = torch.Generator().manual_seed(1)
    noisy, _ = model(pixels + NOISE / std * torch.randn(pixels.shape, generator=generator))
    others = cosines(embeddings, embeddings.roll(1, 0)).mean().item()
    return {"cosine_of_others": round(others, 4), "drift_by_noise": round((1 - cosines(embeddings, noisy)).mean().item(), 6),
            "classes": len(set(logits.argmax(1).tolist())), "largest_logit": round(logits.abs().max().item(), 2)}


def main():
    name, size, seed, pixels, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    rows = np.load(pixels, mmap_mode="r")
    probes = torch.from_numpy(rows[np.linspace(0, len(rows) - 1, min(PROBES, len(rows))).astype(int)])
    net = build(name, seed)
    about = {"name": name, "parameters": sum(p.numel() for p in net.parameters())}
    if name != TRAINED:
        about["residual_branches"] = enliven(net, net.get_submodule(classifier_of(net)), probes, seed)
    torch.save(net.state_dict(), os.path.join(folder, FILES["state-dict"]))
    model = WithEmbedding(net).eval()
    about.update(liveliness(model, probes[:16], sum(preparation(name).std) / 3))
    about["failed"] = {}
    for form in ("torchscript", "dynamo"):
        path = os.path.join(folder, FILES[form])
        try:
            with contextlib.redirect_stdout(sys.stderr):
                export(model, form, path, size)
        except Exception as error:
            about["failed"][form] = str(error).strip().splitlines()[0][:300]
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
    with open(os.path.join(folder, "about.json"), "w") as file:
        json.dump(about, file, indent=1)
    print(json.dumps(about))


if __name__ == "__main__":
    main()
