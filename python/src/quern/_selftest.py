"""Self-tests: whether this machine computes what a package states."""

from __future__ import annotations

import ctypes

from quern import _library
from quern._results import SelfTest, TierTest
from quern._sessions import Handle

# QUERN_ERROR_SELFTEST_FAILED: the test was completed, and its results are there.
_FAILED = 12


def run(handle: Handle, *, tier: int, threads: int, scalar: bool) -> SelfTest:
    """Runs the self-test of an open package.

    Args:
        handle: The open package.
        tier: A `quern_tier` to test alone; 0 for those of this processor.
        threads: The number of threads that run the whole test at the same time; 0 for one for each processor.
        scalar: Whether to test the scalar kernels, too.

    Raises:
        Error: The exception of the status that the library returns, except for a test that found differences.
    """
    options = _library.SelfTestOptions(
        struct_size=ctypes.sizeof(_library.SelfTestOptions),
        threads=threads,
        tier=tier,
        flags=_library.SELFTEST_SCALAR if scalar else 0,
    )
    results = (_library.SelfTestResult * _library.SELFTEST_MAX_RESULTS)()
    results[0].struct_size = ctypes.sizeof(_library.SelfTestResult)
    count = ctypes.c_size_t()
    status = _library.load().quern_selftest(
        handle.pointer, ctypes.byref(options), results, len(results), ctypes.byref(count)
    )
    if status != _FAILED:
        _library.check(status)
    return SelfTest(
        passed=status != _FAILED,
        summary=_library.message() if status == _FAILED else "this machine computes what the package states",
        tiers=tuple(_tier(result) for result in results[: count.value]),
    )


def _tier(result: _library.SelfTestResult) -> TierTest:
    def name(value: bytes | None) -> str | None:
        return None if value is None else value.decode("utf-8")

    difference = _library.DIFFERENCES[result.difference]
    return TierTest(
        tier=_library.text(_library.load().quern_tier_name(result.tier)),
        passed=difference is None,
        difference=difference,
        layer=name(result.layer),
        op=name(result.op),
        first_suspect=name(result.first_suspect),
        suspect_layers=result.suspect_layers,
        different_layers=result.different_layers,
        checks=result.checks,
        skipped_checks=result.skipped_checks,
        threads=result.threads,
        failed_threads=result.failed_threads,
    )
