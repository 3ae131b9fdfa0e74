"""What the modules that make hostile files share."""

import ctypes
import ctypes.util
from pathlib import Path


class Case:
    """A command for one file."""

    def __init__(self, kind, path, arguments, pixel_bytes=0, size=None):
        self.kind, self.name, self.arguments, self.pixel_bytes = kind, Path(path).name, arguments, pixel_bytes
        self.bytes = size if size is not None else Path(path).stat().st_size


class Cases:
    """Collects the cases of a module. Files are named by their content."""

    def __init__(self, folder, kind):
        self.folder, self.kind, self.list = Path(folder), kind, []

    def add(self, name, data, *arguments, kind=None, pixel_bytes=0):
        """Writes a file; the argument FILE of the command stands for its path."""
        path = self.folder / name
        path.write_bytes(data)
        arguments = list(arguments) or ["inspect", "FILE"]
        self.list.append(
            Case(kind or self.kind, path, [str(path) if word == "FILE" else word for word in arguments], pixel_bytes))
        return path


_zstd = None


def zstd(data, level=9):
    """One zstd frame with content size and checksum."""
    global _zstd
    if _zstd is None:
        _zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
        _zstd.ZSTD_createCCtx.restype = ctypes.c_void_p
        _zstd.ZSTD_compressBound.restype = ctypes.c_size_t
        _zstd.ZSTD_compress2.restype = ctypes.c_size_t
    context = ctypes.c_void_p(_zstd.ZSTD_createCCtx())
    _zstd.ZSTD_CCtx_setParameter(context, 100, level)
    _zstd.ZSTD_CCtx_setParameter(context, 101, 23)
    _zstd.ZSTD_CCtx_setParameter(context, 201, 1)
    bound = _zstd.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    target = ctypes.create_string_buffer(bound)
    count = _zstd.ZSTD_compress2(context, target, ctypes.c_size_t(bound), data, ctypes.c_size_t(len(data)))
    _zstd.ZSTD_freeCCtx(context)
    return target.raw[:count]


def unzstd(frame, length):
    """The `length` bytes of a zstd frame."""
    zstd(b"")
    target = ctypes.create_string_buffer(length)
    _zstd.ZSTD_decompress(target, ctypes.c_size_t(length), frame, ctypes.c_size_t(len(frame)))
    return target.raw


def fill(make, limit=(1 << 20) - 4096):
    """make(n) with a few percent less than `limit` bytes; it grows at least in proportion to n."""
    count = 256
    while True:
        data = make(count)
        ratio = limit / len(data)
        if 1 <= ratio < 1.1 or count > 2_000_000:
            return data
        # Between growth in proportion and that of a square, so that both converge.
        count = max(1, int(count * 0.98 * ratio ** (0.5 if ratio > 64 else 0.7)))
