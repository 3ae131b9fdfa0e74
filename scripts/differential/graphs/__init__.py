"""Random small ONNX graphs with the outputs that they are expected to have; see fuzz_graphs.py."""
