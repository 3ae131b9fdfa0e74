"""The C library, as quern.h declares it. Nothing outside this module calls it without `check`."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Literal

from quern import _errors
from quern._text import printable

# ctypes releases the global interpreter lock while it is in the library.

MODEL_DESCRIBE_ONLY = 1
MODEL_CHECK_ALL = 2
SELFTEST_SCALAR = 1
SELFTEST_MAX_RESULTS = 16


class ModelOptions(Structure):
    """`quern_model_options`."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("threads", c_uint32),
        ("tier", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    )


class SessionOptions(Structure):
    """`quern_session_options`."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("threads", c_uint32),
        ("input", c_uint32),
        ("size", c_uint32),
        ("reserved", c_uint32),
        ("pooling_exponent", c_double),
    )


class Fidelity(Structure):
    """`quern_fidelity`."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("measured", c_uint32),
        ("passed", c_uint32),
        ("verdict", c_uint32),
        ("size", c_uint32),
        ("images", c_uint64),
        ("labelled_images", c_uint64),
        ("drift_mean", c_double),
        ("drift_p50", c_double),
        ("drift_p95", c_double),
        ("drift_p99", c_double),
        ("drift_max", c_double),
        ("drift_std", c_double),
        ("agreement_top1", c_double),
        ("agreement_top5", c_double),
        ("decisive_top1", c_double),
        ("float_top1", c_double),
        ("int8_top1", c_double),
        ("top1_drop", c_double),
        ("neighbour_top1", c_double),
    )


class Memory(Structure):
    """`quern_memory`."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("model_bytes", c_uint64),
        ("loading_bytes", c_uint64),
        ("session_bytes", c_uint64),
        ("peak_bytes", c_uint64),
    )


class SelfTestOptions(Structure):
    """`quern_selftest_options`."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("threads", c_uint32),
        ("tier", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    )


class SelfTestResult(Structure):
    """`quern_selftest_result`."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("tier", c_uint32),
        ("difference", c_uint32),
        ("checks", c_uint32),
        ("skipped_checks", c_uint32),
        ("threads", c_uint32),
        ("failed_threads", c_uint32),
        ("different_layers", c_uint32),
        ("suspect_layers", c_uint32),
        ("layer", c_char_p),
        ("op", c_char_p),
        ("first_suspect", c_char_p),
    )


class Image(Structure):
    """`quern_image`."""

    _fields_ = (("pixels", c_void_p), ("height", c_size_t), ("width", c_size_t), ("row_stride", c_size_t))


# A struct of C by its name in the header.
STRUCTS: dict[str, type[Structure]] = {
    "quern_model_options": ModelOptions,
    "quern_session_options": SessionOptions,
    "quern_fidelity": Fidelity,
    "quern_memory": Memory,
    "quern_image": Image,
    "quern_selftest_options": SelfTestOptions,
    "quern_selftest_result": SelfTestResult,
}

# The result and the parameters of every function that is used.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "quern_runtime_version": (c_uint32, []),
    "quern_runtime_version_string": (c_char_p, []),
    "quern_format_version": (c_uint32, []),
    "quern_status_name": (c_char_p, [c_int]),
    "quern_last_error": (c_char_p, []),
    "quern_tier_available": (c_int, [c_int]),
    "quern_tier_name": (c_char_p, [c_int]),
    "quern_model_open": (c_int, [c_char_p, POINTER(ModelOptions), POINTER(c_void_p)]),
    "quern_model_open_memory": (c_int, [c_void_p, c_size_t, POINTER(ModelOptions), POINTER(c_void_p)]),
    "quern_model_free": (None, [c_void_p]),
    "quern_model_dimension": (c_size_t, [c_void_p]),
    "quern_model_class_count": (c_size_t, [c_void_p]),
    "quern_model_label": (c_char_p, [c_void_p, c_size_t]),
    "quern_model_size_count": (c_size_t, [c_void_p]),
    "quern_model_size": (c_uint32, [c_void_p, c_size_t]),
    "quern_model_pooling_exponent": (c_double, [c_void_p, c_size_t]),
    "quern_model_crop": (c_char_p, [c_void_p]),
    "quern_model_crop_ratio": (c_double, [c_void_p]),
    "quern_model_resize_filter": (c_char_p, [c_void_p]),
    "quern_model_architecture": (c_char_p, [c_void_p]),
    "quern_model_content_hash": (c_char_p, [c_void_p]),
    "quern_model_format_version": (c_uint32, [c_void_p]),
    "quern_model_metadata": (c_int, [c_void_p, POINTER(c_char_p), POINTER(c_size_t)]),
    "quern_model_fidelity": (c_int, [c_void_p, c_size_t, POINTER(Fidelity)]),
    "quern_session_create": (c_int, [c_void_p, POINTER(SessionOptions), POINTER(c_void_p)]),
    "quern_session_free": (None, [c_void_p]),
    "quern_peak_memory": (c_int, [c_void_p, POINTER(SessionOptions), c_size_t, c_size_t, POINTER(Memory)]),
    "quern_embed": (
        c_int,
        [c_void_p, POINTER(Image), c_size_t, c_void_p, c_size_t, c_void_p, c_size_t],
    ),
    "quern_selftest": (
        c_int,
        [c_void_p, POINTER(SelfTestOptions), POINTER(SelfTestResult), c_size_t, POINTER(c_size_t)],
    ),
}

# Functions of the header that Python does not need. A file descriptor can be mapped and opened as memory.
UNUSED = {"quern_model_open_fd"}

# The exceptions of `quern_status`. BUSY cannot occur: a session is used by one call at a time. A self-test that failed
# is a result.
STATUSES: dict[int, tuple[str, type[_errors.Error]]] = {
    1: ("INVALID_ARGUMENT", _errors.InvalidArgumentError),
    2: ("NOT_FOUND", _errors.NotFoundError),
    3: ("IO", _errors.InputOutputError),
    4: ("BAD_DATA", _errors.BadDataError),
    5: ("UNSUPPORTED", _errors.UnsupportedError),
    6: ("OUT_OF_MEMORY", _errors.OutOfMemoryError),
    7: ("IMAGE_SIZE", _errors.ImageSizeError),
    8: ("BUFFER_TOO_SMALL", _errors.InternalError),
    9: ("NOT_AVAILABLE", _errors.NotAvailableError),
    10: ("BUSY", _errors.InternalError),
    11: ("INTERNAL", _errors.InternalError),
    12: ("SELFTEST_FAILED", _errors.InternalError),
    13: ("NO_SELFTEST", _errors.NoSelfTestError),
}

VERDICTS = {1: "pass", 2: "inconclusive", 3: "fail"}

# The values of `quern_difference`.
DIFFERENCES: tuple[Literal["bits", "tolerance", "tiers"] | None, ...] = (None, "bits", "tolerance", "tiers")

# The values of `quern_tier` by the names that Python uses; these are the library's own, which a test compares.
TIERS = {
    "auto": 0,
    "scalar": 1,
    "avx2": 2,
    "avxvnni": 3,
    "avx512": 4,
    "avx512vnni": 5,
    "neon": 6,
    "neondot": 7,
    "avx512vbmi": 8,
}


def path() -> Path:
    """The file of the library: that of the environment variable `QUERN_LIBRARY`, or the one inside the package."""
    override = os.environ.get("QUERN_LIBRARY")
    return Path(override) if override else Path(__file__).parent / "_native" / "libquern.so"


@functools.cache
def load() -> ctypes.CDLL:
    """Loads the library, once.

    Raises:
        NotAvailableError: The library is not there, or is not one that this package can use.
    """
    file = path()
    try:
        library = ctypes.CDLL(str(file))
    except OSError as error:
        raise _errors.NotAvailableError(f"cannot load {printable(file)}: {printable(error)}") from error
    try:
        for name, (result, parameters) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, parameters
    except AttributeError as error:
        raise _errors.NotAvailableError(
            f"{printable(file)} lacks a function that this version needs: {printable(error)}"
        ) from error
    return library


def check(status: int) -> None:
    """Raises the exception of a status that is not 0, with the message that the library left in this thread."""
    if status == 0:
        return
    _, error = STATUSES.get(status, ("unknown", _errors.InternalError))
    raise error(message() or f"the library reports status {status}")


def message() -> str:
    """The message of the last error in this thread."""
    lines = (load().quern_last_error() or b"").decode("utf-8", "replace").split("\n")
    return "\n".join(map(printable, lines))


def text(value: bytes | None) -> str:
    """Decodes a string of the library; `None` cannot occur where the header promises a string."""
    return (value or b"").decode("utf-8")
