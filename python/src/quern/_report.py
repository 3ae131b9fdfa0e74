"""Reports of the tool (formats/report.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from quern._results import Verdict


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit on one figure.

    Attributes:
        name: The name of the figure, such as `mean_drift`.
        value: The figure; `None` if it could not be measured.
        limit: The limit.
        passed: Whether the value is within the limit.
        verdict: `inconclusive` if the interval contains the limit.
        interval: The interval of the figure, if it has one.
        needed_images: The number of images that would decide an inconclusive gate, if that can be told.
    """

    name: str
    value: float | None
    limit: float | None
    passed: bool
    verdict: Verdict
    interval: Interval | None
    needed_images: int | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Statistics of the drift of images, which is 1 - cos(float embedding, int8 embedding).

    Attributes:
        mean: The mean.
        p50: The median.
        p95: The 95th percentile.
        p99: The 99th percentile.
        max: The largest.
        std: The standard deviation.
        mean_interval: The interval of the mean.
    """

    mean: float
    p50: float
    p95: float
    p99: float
    max: float
    std: float
    mean_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Report:
    """A fidelity report, of `quern.convert`, `quern.verify` or `quern.compare`.

    Attributes:
        passed: Whether every gate passed at every size.
        verdict: `fail` if a gate failed; `inconclusive` if none did, but the figures are in doubt; otherwise `pass`.
        accepted: Whether the tool's exit status was 0: whether the report passed or, with `strict=True`, whether its
            verdict is `pass`.
        gates: The gates, at the first size.
        images: The number of images that were compared.
        drift: Statistics of the drift; `None` where nothing was compared.
        top1_agreement: The percentage of images with the same most probable class in both networks; `None` without a
            classifier.
        warnings: What puts the figures in doubt.
        assumptions: What was assumed because the checkpoint does not state it.
        raw: The whole report, as the tool wrote it.
    """

    passed: bool
    verdict: Verdict
    accepted: bool
    gates: tuple[Gate, ...]
    images: int
    drift: Drift | None
    top1_agreement: float | None
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def summary(self) -> str:
        """One line: the verdict, and the gates that did not pass with their values and limits."""
        gates = [gate for gate in self.gates if gate.verdict != "pass"]
        for size in self.raw.get("sizes") or ():
            gates += [
                gate for gate in map(_gate, size.get("gates") or ()) if gate.verdict != "pass" and gate not in gates
            ]
        details = ", ".join(
            f"{gate.name} {'not measured' if gate.value is None else f'{gate.value:.6g}'} (limit {gate.limit:.6g})"
            if gate.limit is not None
            else gate.name
            for gate in gates
        )
        return f"verdict: {self.verdict}" + (f"; {details}" if details else "")


def report(raw: Mapping[str, Any], *, accepted: bool) -> Report:
    """Reads a report.

    Args:
        raw: The object that the tool wrote.
        accepted: Whether its exit status was 0.

    Raises:
        KeyError: The object is not a report of this schema.
    """
    if not str(raw["schema"]).startswith("quern.fidelity/1"):
        raise KeyError(f"the schema {raw['schema']}")
    drift = raw.get("drift")
    return Report(
        passed=bool(raw["passed"]),
        verdict=cast(Verdict, raw["verdict"]),
        accepted=accepted,
        gates=tuple(map(_gate, raw["gates"])),
        images=int(raw["images"]),
        drift=_drift(drift) if drift and drift.get("mean") is not None else None,
        top1_agreement=(raw.get("agreement") or {}).get("top1"),
        warnings=tuple(raw.get("warnings") or ()),
        assumptions=tuple(raw.get("assumptions") or ()),
        raw=raw,
    )


def _gate(raw: Mapping[str, Any]) -> Gate:
    return Gate(
        name=raw["name"],
        value=raw.get("value"),
        limit=raw.get("limit"),
        passed=bool(raw["passed"]),
        verdict=cast(Verdict, raw["verdict"]),
        interval=_interval(raw.get("interval")),
        needed_images=raw.get("needed_images"),
    )


def _drift(raw: Mapping[str, Any]) -> Drift:
    figures = {name: float(raw[name]) for name in ("mean", "p50", "p95", "p99", "max", "std")}
    return Drift(**figures, mean_interval=_interval(raw.get("mean_interval")))


def _interval(raw: Mapping[str, Any] | None) -> Interval | None:
    return None if not raw or raw.get("low") is None else Interval(float(raw["low"]), float(raw["high"]))
