"""ONNX Runtime and OpenVINO/NNCF as their users run them: quantising a model, and inference with it.

Every call is a process of its own, so that seconds and memory are the peer's alone. They count from after the imports, reading
the images' pixels included; memory is what came on top of Python and NumPy.

    peers.py quantize onnxruntime|openvino MODEL PIXELS.npy IMAGES OUTPUT [--keep-float OpenVINO's operations, for NNCF]
    peers.py bench onnxruntime|openvino MODEL --threads N --batch N --size N --runs N     prints what `quern bench --json` does
"""
import argparse
import contextlib
import json
import os
import statistics
import sys
import time

import numpy as np

OUTPUTS = ["normalized_embedding", "logits"]
# By default NNCF quantises GeM's powers, too, and the embedding becomes NaN.
GEM = ["Power", "Clamp", "ReduceMean", "ReduceL2", "Divide"]


class Images:
    """Prepared images, read one by one as batches of one, so that they take no memory."""

    def __init__(self, path, count):
        rows = np.load(path, mmap_mode="r")
        self.path, self.offset, self.shape, self.count = path, rows.offset, rows.shape[1:], count

    def __iter__(self):
        values = int(np.prod(self.shape))
        for index in range(self.count):
            row = np.fromfile(self.path, np.float32, values, offset=self.offset + 4 * values * index)
            yield row.reshape(1, *self.shape)


def quantize_with_onnxruntime(model, images, output, kept_in_float):
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(images)

        def get_next(self):
            batch = next(self.rest, None)
            return None if batch is None else {"input": batch}

    prepared = output + ".prepared.onnx"
    quant_pre_process(model, prepared)
    quantize_static(prepared, output, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax)
    os.remove(prepared)


def quantize_with_nncf(model, images, output, kept_in_float):
    import nncf
    import openvino
    head = nncf.IgnoredScope(types=kept_in_float, validate=False)
    dataset = nncf.Dataset(images, lambda batch: {"input": batch})
    quantized = nncf.quantize(openvino.Core().read_model(model), dataset, subset_size=images.count, ignored_scope=head)
    openvino.save_model(quantized, output)


def onnxruntime_runner(path, threads, shape):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(OUTPUTS, {"input": x})


def openvino_runner(path, threads, shape):
    import openvino
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    core = openvino.Core()
    model = core.read_model(path)
    # A fixed batch is what OpenVINO runs best.
    model.reshape({"input": list(shape)})
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda x: request.infer({"input": x})


def resident_bytes(key):
    """VmRSS: now, VmHWM: at most. Not ru_maxrss, which counts the parent process, too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))


def quantize(options):
    before = resident_bytes("VmRSS:")
    if options.peer == "onnxruntime":
        import onnxruntime.quantization  # noqa: F401  (before the clock starts)
    else:
        import nncf  # noqa: F401
    start = time.perf_counter()
    run = {"onnxruntime": quantize_with_onnxruntime, "openvino": quantize_with_nncf}[options.peer]
    run(options.model, Images(options.pixels, options.images), options.output, options.keep_float)
    return {"seconds": time.perf_counter() - start, "peak_rss_bytes": resident_bytes("VmHWM:") - before}


def bench(options):
    shape = (options.batch, 3, options.size, options.size)
    x = np.random.default_rng(1).standard_normal(shape, np.float32)
    before = resident_bytes("VmRSS:")
    __import__(options.peer)
    start = time.perf_counter()
    run = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}[options.peer](options.model, options.threads, shape)
    loaded = time.perf_counter()
    times = []
    for _ in range(options.runs + 3):
        beginning = time.perf_counter()
        run(x)
        times.append((time.perf_counter() - beginning) * 1e3)
    return {"ms_per_image": {"median": statistics.median(times[3:]) / options.batch}, "load_ms": (loaded - start) * 1e3,
            "first_ms": times[0], "resident_bytes": resident_bytes("VmRSS:") - before,
            "peak_rss_bytes": resident_bytes("VmHWM:") - before}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(required=True)
    for task in (quantize, bench):
        command = tasks.add_parser(task.__name__)
        command.set_defaults(task=task)
        command.add_argument("peer", choices=["onnxruntime", "openvino"])
        command.add_argument("model")
        if task is quantize:
            command.add_argument("pixels")
            command.add_argument("images", type=int)
            command.add_argument("output")
            command.add_argument("--keep-float", nargs="+", default=GEM)
        else:
            for name in ("threads", "batch", "size", "runs"):
                command.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    # What the peers have to say is no part of the answer.
    with contextlib.redirect_stdout(sys.stderr):
        figures = options.task(options)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
