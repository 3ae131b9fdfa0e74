"""ONNX Runtime and OpenVINO/NNCF as their users run them: quantising a model, and inference with it.

Run as a program, `peers.py quantize PEER MODEL PIXELS.npy OUTPUT` quantises in a process of its own, so that seconds and memory
are the peer's alone: they count from after the imports, reading the images' pixels included.
"""
import json
import os
import sys
import time

import numpy as np


def quantize_with_onnxruntime(model, batches, output):
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(batches)

        def get_next(self):
            batch = next(self.rest, None)
            return None if batch is None else {"input": batch}

    prepared = output + ".prepared.onnx"
    quant_pre_process(model, prepared)
    quantize_static(prepared, output, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax)
    os.remove(prepared)


def quantize_with_nncf(model, batches, output):
    import nncf
    import openvino
    # By default NNCF quantises GeM's powers, too, and the embedding becomes NaN.
    head = nncf.IgnoredScope(types=["Power", "Clamp", "ReduceMean", "ReduceL2", "Divide"], validate=False)
    dataset = nncf.Dataset(batches, lambda batch: {"input": batch})
    quantized = nncf.quantize(openvino.Core().read_model(model), dataset, subset_size=len(batches), ignored_scope=head)
    openvino.save_model(quantized, output)


def onnxruntime_runner(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["normalized_embedding", "logits"], {"input": x})


def openvino_runner(path, threads):
    import openvino
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    return lambda x: request.infer({"input": x})


def peak_megabytes():
    """Not ru_maxrss, which counts the parent process, too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def main():
    _, task, peer, model, pixels, output = sys.argv
    import nncf  # noqa: F401  (imported before the clock starts)
    import onnxruntime  # noqa: F401
    start = time.perf_counter()
    batches = list(np.load(pixels)[:, None])
    {"onnxruntime": quantize_with_onnxruntime, "nncf": quantize_with_nncf}[peer](model, batches, output)
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    main()
