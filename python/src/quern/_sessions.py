"""Open packages and the sessions that run them, with their lifetimes."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from quern import _library
from quern._errors import BadDataError, InvalidArgumentError
from quern._text import encoded

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | mmap.mmap | npt.NDArray[np.uint8]
"""A package: the path of its file, or its bytes in memory, which must not change while the model is in use."""


class Handle:
    """A `quern_model`. It is freed with the last reference to this object, never while a call still uses it.

    Attributes:
        pointer: The `quern_model`.
    """

    def __init__(self, source: Source, tier: int, threads: int) -> None:
        """Opens a package.

        Args:
            source: The package.
            tier: A `quern_tier`.
            threads: The number of threads that read and pack weights; 0 for one for each processor.

        Raises:
            Error: The exception of the status that the library returns.
            TypeError: `source` is of another type.
        """
        library = _library.load()
        options = _library.ModelOptions(struct_size=ctypes.sizeof(_library.ModelOptions), threads=threads, tier=tier)
        pointer = ctypes.c_void_p()
        # Memory that the library borrows. Holding the array keeps the memory from being freed or resized.
        self._memory: npt.NDArray[np.uint8] | None = None
        if isinstance(source, (str, os.PathLike)):
            path = encoded(source, "the path of a package")
            _library.check(library.quern_model_open(path, ctypes.byref(options), ctypes.byref(pointer)))
        else:
            self._memory = _bytes(source)
            _library.check(
                library.quern_model_open_memory(
                    self._memory.ctypes.data, self._memory.nbytes, ctypes.byref(options), ctypes.byref(pointer)
                )
            )
        self.pointer = pointer
        # When the process ends, the system frees memory, and threads that still run must not lose theirs.
        weakref.finalize(self, library.quern_model_free, pointer).atexit = False


def _bytes(source: Any) -> npt.NDArray[np.uint8]:
    """A view of the bytes of a buffer."""
    try:
        view = memoryview(source)
    except TypeError as error:
        raise TypeError(
            f"a package is opened by its path or from its bytes, not from {type(source).__name__}"
        ) from error
    if not view.contiguous:
        raise InvalidArgumentError("the bytes of a package must be contiguous in memory")
    if view.nbytes == 0:
        raise BadDataError("not a package: there are no bytes")
    return np.frombuffer(view, dtype=np.uint8)


class Session:
    """A `quern_session`, which one call uses at a time.

    Attributes:
        pointer: The `quern_session`.
    """

    def __init__(self, handle: Handle, options: _library.SessionOptions) -> None:
        """Creates a session.

        Raises:
            Error: The exception of the status that the library returns.
        """
        library = _library.load()
        pointer = ctypes.c_void_p()
        _library.check(library.quern_session_create(handle.pointer, ctypes.byref(options), ctypes.byref(pointer)))
        self.pointer = pointer
        # The session may read memory that the model borrowed.
        self._handle = handle
        self._finalizer = weakref.finalize(self, library.quern_session_free, pointer)
        self._finalizer.atexit = False

    def abandon(self) -> None:
        """Leaves the session unfreed, since freeing would wait for threads that a forked process does not have."""
        self._finalizer.detach()


class SessionPool:
    """Sessions with the same options, as many as there were calls at the same time."""

    def __init__(self, handle: Handle, options: _library.SessionOptions) -> None:
        """Creates the first session, so that options that do not suit the model are refused at once.

        Raises:
            Error: The exception of the status that the library returns.
        """
        self._handle = handle
        self._options = options
        self._lock = threading.Lock()
        self._idle = [Session(handle, options)]
        self._generation = 0
        _pools.add(self)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for one call, which no other call has meanwhile."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
            generation = self._generation
        session = session or Session(self._handle, self._options)
        yield session
        with self._lock:
            # A session whose call failed is not used again, nor is one whose model was closed meanwhile.
            if generation == self._generation:
                self._idle.append(session)

    def clear(self) -> None:
        """Drops the sessions that are not in use. Those in use are dropped after their calls."""
        with self._lock:
            self._idle.clear()
            self._generation += 1

    def forget(self) -> None:
        """Drops all sessions in a process that was forked from theirs, and whose threads therefore do not exist."""
        self._lock = threading.Lock()
        for session in self._idle:
            session.abandon()
        self._idle = []
        self._generation += 1


_pools: weakref.WeakSet[SessionPool] = weakref.WeakSet()


def _forget_sessions() -> None:
    for pool in list(_pools):
        pool.forget()


os.register_at_fork(after_in_child=_forget_sessions)
