#!/usr/bin/env python3
"""Quern beside ONNX Runtime and OpenVINO/NNCF, as Markdown tables.

Every figure is taken in a process of its own. The three take turns, in another order each round; a figure is the median of the
rounds, a ratio is Quern's to the better peer's of the same round, and its median is printed: below 1, Quern is ahead. So a
machine that slows down slows all of them.

  inference   milliseconds per image, int8 and float, by threads and batch; one processor core for each thread, the same for all
  conversion  seconds and peak memory: Quern's whole convert, decoding of JPEGs and verification included, with process start;
              of the peers the quantisation alone, on decoded images, after the imports; all on all cores
  start       milliseconds from the int8 file to the first embedding, without process start and imports, and the memory resident
              after 20 images; the peers' without that of Python and NumPy
  scaling     seconds and peak memory of conversion by the number of images, for the first network

The default takes some 15 minutes on two cores. All networks as they are meant take an hour or two:
  scripts/benchmark --trunks resnet50 resnet50@500 nasnetamobile senet154 pnasnet5large --images 256 --rounds 5
and this shows in some five minutes that all of it works:
  scripts/benchmark --rounds 1 --images 16 --scaling 8 16
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

from tables import Table

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
MODELS = os.path.join(ROOT, ".build", "benchmark-models")
COMPETITORS = ["quern", "onnxruntime", "openvino"]
SECTIONS = ["inference", "conversion", "start", "scaling"]
DEFAULT_SIZES = {"pnasnet5large": 331, "nasnetalarge": 331}


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, cpus=None):
    """The JSON that a command prints, if any, and its seconds."""
    start = time.perf_counter()
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {result.returncode}:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout or "null"), time.perf_counter() - start


def peers_command(task, peer, *arguments):
    return [sys.executable, os.path.join(HERE, "peers.py"), task, peer, *arguments]


def interleaved(rounds, measure, competitors=COMPETITORS):
    """What `measure` returns for each competitor, a list of rounds each."""
    samples = {name: [] for name in competitors}
    for index in range(rounds):
        first = index % len(competitors)
        for name in competitors[first:] + competitors[:first]:
            samples[name].append(measure(name))
    return samples


def trunk_at_size(text):
    trunk, _, size = text.partition("@")
    return trunk, int(size) if size else DEFAULT_SIZES.get(trunk, 224)


class Network:
    """A trunk at a size, with all files made for it. They are kept for the next time."""

    def __init__(self, trunk, size, images):
        self.trunk, self.size = trunk, size
        self.label = f"{self.trunk}, {self.size} px"
        self.folder = os.path.join(MODELS, f"{self.trunk}-{self.size}-{images}")
        if not os.path.isdir(self.folder):
            say(f"making {self.label} and {images} images")
            unfinished = self.folder + ".unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            os.makedirs(unfinished)
            run([sys.executable, os.path.join(HERE, "make_models.py"), self.trunk, str(self.size), str(images), unfinished])
            os.rename(unfinished, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def model(self, competitor, precision):
        if competitor == "quern":
            return self.path("model.quern" if precision == "int8" else "model.pth")
        return self.path({"onnxruntime": "int8.onnx", "openvino": "int8.xml"}[competitor] if precision == "int8" else "model.onnx")

    def convert(self, competitor, images):
        """Seconds, peak MB and MB of the file."""
        output = self.model(competitor, "int8")
        if competitor == "quern":
            # No gates: weights are random. As many passes through the network as the peers make.
            figures, seconds = run([
                QUERN, "convert", self.path("model.pth"), "--calibration", self.path("photographs"), "--calibration-count", str(images),
                "--augmentation", "none", "--size", str(self.size), "--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2",
                "-o", output, "--json", "--quiet"])
        else:
            figures, _ = run(peers_command("quantize", competitor, self.path("model.onnx"), self.path("pixels.npy"), str(images), output))
            seconds = figures["seconds"]
        files = [output] + ([output[:-4] + ".bin"] if output.endswith(".xml") else [])
        return {"seconds": seconds, "peak": figures["peak_rss_bytes"] / 1e6, "file": sum(map(os.path.getsize, files)) / 1e6}

    def bench(self, competitor, precision, threads, batch, runs):
        options = ["--threads", str(threads), "--batch", str(batch), "--size", str(self.size), "--runs", str(runs)]
        model = self.model(competitor, precision)
        command = [QUERN, "bench", model, *options, "--json", "--quiet"] if competitor == "quern" else \
            peers_command("bench", competitor, model, *options)
        return run(command, cores()[:threads])[0]


def cores():
    """One processor of each core, so that threads share none."""
    chosen, taken = [], set()
    for cpu in sorted(os.sched_getaffinity(0)):
        topology = f"/sys/devices/system/cpu/cpu{cpu}/topology/"
        try:
            core = tuple(open(topology + name).read().strip() for name in ("physical_package_id", "core_id"))
        except OSError:
            core = cpu
        if core not in taken:
            taken.add(core)
            chosen.append(cpu)
    return chosen


def measure_conversion(network, images, rounds, tables):
    samples = interleaved(rounds, lambda name: network.convert(name, images))
    tables["conversion"].add([network.label, images], samples)


def measure_scaling(network, counts, rounds, tables):
    for images in counts:
        tables["scaling"].add([network.label, images], interleaved(rounds, lambda name: network.convert(name, images)))


def measure_start(network, threads, rounds, tables):
    def measure(name):
        figures = network.bench(name, "int8", threads, batch=1, runs=17)
        return {"start": figures["load_ms"] + figures["first_ms"], "resident": figures["resident_bytes"] / 1e6,
                "peak": figures["peak_rss_bytes"] / 1e6}
    tables["start"].add([network.label], interleaved(rounds, measure))


def measure_inference(network, threads, batches, rounds, tables):
    # Of runs as many as take a second, as far as the figures before tell.
    expected = {"int8": 100, "float": 100}
    for count in threads:
        for batch in batches:
            samples = {name: [{} for _ in range(rounds)] for name in COMPETITORS}
            for precision in expected:
                runs = max(3, min(20, round(1000 / (expected[precision] * batch))))
                taken = interleaved(rounds, lambda name: network.bench(name, precision, count, batch, runs)["ms_per_image"]["median"])
                for name in COMPETITORS:
                    for row, value in zip(samples[name], taken[name]):
                        row[precision] = value
                expected[precision] = statistics.median(taken["onnxruntime"])
            tables["inference"].add([network.label, count, batch], samples)


def describe_machine(network):
    with open("/proc/cpuinfo") as info:
        names = {line.split(":")[1].strip() for line in info if line.startswith("model name")}
    kernels = network.bench("quern", "int8", 1, 1, 1)["kernels"]
    return (f"{', '.join(sorted(names)) or platform.processor() or platform.machine()}, {len(cores())} cores, "
            f"{platform.system()} {platform.release().split('-')[0]}; Quern's kernels: {', '.join(kernels)}; "
            f"ONNX Runtime {version('onnxruntime')}, OpenVINO {version('openvino').split('-')[0]}, NNCF {version('nncf')}.")


def measure(options, tables):
    most = max(options.images, *(options.scaling if "scaling" in options.sections else [0]))
    for index, (trunk, size) in enumerate(options.trunks):
        network = Network(trunk, size, most)
        if "scaling" in options.sections and index == 0:
            measure_scaling(network, options.scaling, options.conversion_rounds, tables)
        # The int8 models are needed in any case.
        wanted = "conversion" in options.sections
        measure_conversion(network, options.images, options.conversion_rounds if wanted else 1, tables)
        if index == 0:
            print("On " + describe_machine(network), flush=True)
        if "start" in options.sections:
            measure_start(network, max(options.threads), options.rounds, tables)
        if "inference" in options.sections:
            measure_inference(network, options.threads, options.batches, options.rounds, tables)


def make_tables():
    return {
        "inference": Table(["network", "threads", "batch"], {"int8": "int8 ms per image", "float": "float ms per image"}, 2),
        "conversion": Table(["network", "images"], {"seconds": "seconds to convert", "peak": "peak MB", "file": "int8 file, MB"}, 1),
        "start": Table(["network"], {"start": "ms to the first embedding", "resident": "resident MB", "peak": "peak MB"}, 0),
        "scaling": Table(["network", "images"], {"seconds": "seconds to convert", "peak": "peak MB"}, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunks", nargs="+", metavar="TRUNK[@SIZE]", type=trunk_at_size,
                        default=[("resnet50", 224), ("nasnetamobile", 224)])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conversion-rounds", type=int, default=1)
    parser.add_argument("--images", type=int, default=64, help="to convert with")
    parser.add_argument("--scaling", type=int, nargs="+", default=[32, 64, 128], help="numbers of images to compare")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    if max(options.threads) > len(cores()):
        parser.error(f"--threads: this machine has {len(cores())} cores to run on")
    start, tables = time.time(), make_tables()
    try:
        measure(options, tables)
    finally:
        print("Cells hold Quern / ONNX Runtime / OpenVINO or NNCF; a ratio is Quern's to the better of the two. Rounds: "
              f"{options.rounds}, of conversions {options.conversion_rounds}.")
        for section in options.sections:
            if tables[section].rows:
                print(f"\n{tables[section].markdown()}")
        say(f"\n{(time.time() - start) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
