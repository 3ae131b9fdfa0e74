"""Files in the format of safetensors (https://github.com/huggingface/safetensors), of float32 tensors alone."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# safetensors refuses longer headers, too.
_MAX_HEADER_BYTES = 100_000_000


def metadata(path: Path) -> dict[str, Any]:
    """The metadata of a file; empty for a file that has none, is of another format, or cannot be read."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, _MAX_HEADER_BYTES)))
        return dict(header["__metadata__"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error):
        return {}


def write(path: Path, tensors: Mapping[str, npt.NDArray[np.float32]], metadata: Mapping[str, str]) -> None:
    """Writes a file, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with tempfile.NamedTemporaryFile(dir=path.resolve().parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(struct.pack("<Q", len(text)) + text)
            for tensor in tensors.values():
                file.write(tensor.astype("<f4", copy=False).tobytes())
            file.close()
            mask = os.umask(0)
            os.umask(mask)
            Path(file.name).chmod(0o666 & ~mask)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
