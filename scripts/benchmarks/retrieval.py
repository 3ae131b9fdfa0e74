#!/usr/bin/env python3
"""What int8 costs in search: mAP of copies and of classes, for float, quern's int8 and ONNX Runtime's, and after whitening.

  copies   every image and five distortions of it (a strong crop, blur, a rotation by 15 degrees, half the brightness, JPEG with
           quality 10) are a group; the original is the query, and all images are searched: the recipe of INRIA Copydays
  classes  every image of class folders is a query, and the others of its folder are its positives

  python scripts/benchmarks/retrieval.py                    # the bundled network, and copies of the bundled photographs
  python scripts/benchmarks/retrieval.py --checkpoint model.pth --calibration train/ --classes validation/ --size 64

The first calibrates, and whitens, on the images that it measures on, and only shows that everything works.

Prints a table in Markdown. Networks are converted without gates, whitening is learned from the calibration images, and ONNX
Runtime quantises quern's own float export (QDQ, weights per channel, MinMax) by the same calibration images. Needs the packages of
scripts/benchmarks/requirements.txt; `scripts/benchmark` makes an environment with them.
"""
import argparse
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import types

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts/benchmarks/coverage"))
import pictures  # noqa: E402

NO_GATES = ["--max-drift", "2", "--max-mean-drift", "2", "--min-agreement", "0"]
# quern's defaults.
PREPARATION = types.SimpleNamespace(
    crop_ratio=224 / 256, resize="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
SUFFIXES = (".jpg", ".jpeg", ".png")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default=str(ROOT / ".build/release/quern"))
    parser.add_argument("--checkpoint", default=str(ROOT / "fixtures/demo/multigrain_r50w16_tiny50.pth"))
    parser.add_argument("--calibration", default=pictures.BUNDLED, help="also what whitening is learned from")
    parser.add_argument("--originals", default=pictures.BUNDLED, help="what copies are made of")
    parser.add_argument("--classes", help="class folders (default: only copies are measured)")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--efforts", nargs="*", default=["balanced", "thorough"])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[], help="also whiten to fewer dimensions, in float")
    parser.add_argument("--without-peer", action="store_true", help="leave ONNX Runtime out")
    return parser.parse_args()


def files_in(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)


def jpeg(image, quality):
    data = io.BytesIO()
    image.save(data, "jpeg", quality=quality)
    return Image.open(data)


def crop(image):
    """The part of 60 % of each side that lies a third off the top left corner."""
    width, height = image.size
    return image.crop((width * 2 // 15, height * 2 // 15, width * 11 // 15, height * 11 // 15))


COPIES = {
    "crop": crop,
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 80)),
    "rotation": lambda image: image.rotate(15, Image.Resampling.BICUBIC, expand=True),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "jpeg10": lambda image: jpeg(image, 10),
}


def make_copies(originals, folder):
    """Writes the images, losslessly, and pairs.csv."""
    lines = ["query,positive"]
    for number, path in enumerate(files_in(originals)):
        image = Image.open(path).convert("RGB")
        image.save(folder / f"{number:06}.png")
        for name, distort in COPIES.items():
            distort(image).convert("RGB").save(folder / f"{number:06}-{name}.png")
            lines.append(f"{number:06}.png,{number:06}-{name}.png")
    truth = folder.parent / "pairs.csv"
    truth.write_text("\n".join(lines) + "\n")
    return truth


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def prepared(path, size):
    image = np.asarray(pictures.crop(path, PREPARATION, size), np.float32) / 255
    return ((image - np.float32(PREPARATION.mean)) / np.float32(PREPARATION.std)).transpose(2, 0, 1)


def quantize_with_peer(options, model, calibration, folder):
    pixels, output = folder / "pixels.npy", folder / "onnxruntime.onnx"
    files = files_in(calibration)
    np.save(pixels, np.stack([prepared(path, options.size) for path in files]))
    run(sys.executable, ROOT / "scripts/benchmarks/peers.py", "quantize", "onnxruntime", model, pixels, len(files), output)
    return output


def embed_with_peer(options, model, images, folder, name):
    """The peer's embeddings, a file whose rows are in the order of the images' names."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    # quern orders names by their UTF-8 bytes.
    files = sorted(files_in(images), key=lambda path: str(path.relative_to(images)).encode())
    rows = [session.run(["normalized_embedding"], {"input": prepared(path, options.size)[None]})[0][0] for path in files]
    np.save(folder / name, np.stack(rows))
    return folder / name


def evaluate(options, models, embeddings, set_options, images):
    arguments = [part for path in embeddings for part in ("--embeddings", path)]
    report = json.loads(run(options.tool, "evaluate", *models, *set_options, "--data", images, "--size", options.size, "--json",
                            *arguments))
    return report["models"]


def figure(model):
    interval = model["map_interval"]
    text = f"{model['map']:.2f} ({interval['low']:.1f} to {interval['high']:.1f})"
    if model.get("comparison"):
        drop, range_of_drop = model["comparison"]["map_drop"], model["comparison"]["map_drop_interval"]
        text += f", drop {drop:.2f} ({range_of_drop['low']:.2f} to {range_of_drop['high']:.2f})"
    return text


def main():
    options = parse()
    tool = options.tool
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        copies = folder / "copies"
        copies.mkdir()
        truth = make_copies(options.originals, copies)
        sets = {"copies": (["--set", "pairs", "--ground-truth", truth], copies)}
        if options.classes:
            sets["classes"] = (["--set", "folders"], pathlib.Path(options.classes))
        whitened = folder / "whitened.safetensors"
        whiten = [tool, "whiten", options.checkpoint, "--images", options.calibration, "--size", options.size, "--no-evaluation", "-o"]
        run(*whiten, whitened)
        rows = {}
        for form, checkpoint in (("as trained", options.checkpoint), ("whitened", whitened)):
            packages = []
            for effort in options.efforts:
                packages.append(folder / f"{form}-{effort}.quern")
                run(tool, "convert", checkpoint, "--calibration", options.calibration, "--size", options.size, "--effort", effort,
                    "-o", packages[-1], *NO_GATES)
            names = ["float", *(f"int8, {effort}" for effort in options.efforts)]
            peer = None
            if form == "as trained" and not options.without_peer:
                exported = folder / "float.onnx"
                run(tool, "export", "--float", checkpoint, "--size", options.size, "-o", exported)
                peer = quantize_with_peer(options, exported, options.calibration, folder)
                names.append("int8, ONNX Runtime")
            for title, (set_options, images) in sets.items():
                stored = [embed_with_peer(options, peer, images, folder, f"{title}.npy")] if peer else []
                for name, model in zip(names, evaluate(options, [checkpoint, *packages], stored, set_options, images)):
                    rows.setdefault((form, name), []).append(figure(model))
        for dimensions in options.dimensions:
            shortened = folder / f"whitened-{dimensions}.safetensors"
            run(*whiten, shortened, "--dimensions", dimensions)
            for set_options, images in sets.values():
                figures = evaluate(options, [shortened], [], set_options, images)[0]
                rows.setdefault((f"whitened, {dimensions} dimensions", "float"), []).append(figure(figures))
        print(f"| network | arithmetic | {' | '.join(f'mAP of {title}, %' for title in sets)} |")
        print(f"|---|---|{'---|' * len(sets)}")
        for (form, name), figures in rows.items():
            print(f"| {form} | {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
