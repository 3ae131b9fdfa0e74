"""What a model states and returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Verdict: TypeAlias = Literal["pass", "inconclusive", "fail"]
"""Whether figures show that int8 agrees with float; the terms are those of formats/report.md."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A class of an image.

    Attributes:
        index: The index of the class in the logits.
        label: The name of the class; `None` if the package does not name its classes.
        probability: Its softmax probability among all classes, from 0 to 1.
    """

    index: int
    label: str | None
    probability: float


class Outputs(NamedTuple):
    """The outputs for n images.

    Attributes:
        embeddings: L2-normalised embeddings, float32 [n, dimension].
        logits: Logits, float32 [n, classes]; `None` without a classifier.
    """

    embeddings: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How well the package was measured to agree with the float network, when it was converted.

    Figures that were not measured are `None`. Percentages are from 0 to 100.

    Attributes:
        passed: Whether every gate passed at this size.
        verdict: The verdict over all sizes.
        size: The image size in pixels.
        images: The number of images that were compared.
        labelled_images: The number of these whose class is known.
        drift_mean: The mean drift; the drift of an image is 1 - cos(float embedding, int8 embedding).
        drift_p50: The median of the drift.
        drift_p95: The 95th percentile of the drift.
        drift_p99: The 99th percentile of the drift.
        drift_max: The largest drift.
        drift_std: The standard deviation of the drift.
        agreement_top1: The percentage of images whose most probable class is the same in both networks.
        agreement_top5: The percentage of images whose first class in float is among the first five in int8.
        decisive_top1: `agreement_top1` over images that are not near ties.
        float_top1: The percentage of labelled images that the float network classifies correctly.
        int8_top1: The same for the int8 network.
        top1_drop: `float_top1 - int8_top1`, in percentage points.
        neighbour_top1: The percentage of images whose first neighbour stays the same in int8.
    """

    passed: bool
    verdict: Verdict
    size: int
    images: int
    labelled_images: int
    drift_mean: float | None
    drift_p50: float | None
    drift_p95: float | None
    drift_p99: float | None
    drift_max: float | None
    drift_std: float | None
    agreement_top1: float | None
    agreement_top5: float | None
    decisive_top1: float | None
    float_top1: float | None
    int8_top1: float | None
    top1_drop: float | None
    neighbour_top1: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory that a session needs, in bytes.

    Attributes:
        model_bytes: The packed weights, which all threads share.
        loading_bytes: What opening the model needs besides, for a moment.
        session_bytes: What each thread that embeds at the same time needs besides.
        peak_bytes: The maximum for a process with one session, without the code of the library, and without Python.
    """

    model_bytes: int
    loading_bytes: int
    session_bytes: int
    peak_bytes: int


Difference: TypeAlias = Literal["bits", "tolerance", "tiers"]
"""How a layer differs in a self-test: from the bits of the package, from its floats by more than rounding explains, or
only from the bits of the first tier tested."""


@dataclass(frozen=True, slots=True)
class TierTest:
    """What a self-test found with one tier of kernels.

    Attributes:
        tier: The tier; `auto` where the best kernels of this processor are not those of a tier.
        passed: Whether nothing differs.
        difference: How the first layer that differs does; `None` if nothing differs.
        layer: The name of the first layer that differs, in order of execution; `None` if nothing differs.
        op: The operator of this layer.
        first_suspect: The name of the first of the layers among which is the one at fault; `layer` is the last.
        suspect_layers: The number of these layers; 0 where it is not known, which is so with the difference `tiers`.
        different_layers: The number of layers that differ.
        checks: The number of checks that were made.
        skipped_checks: The number of checks left out, because they state float bits that another version computed.
        threads: The number of threads that ran the whole test.
        failed_threads: The number of these that found differences from the package. Where only some do, a core or the
            memory is at fault rather than a kernel.
    """

    tier: str
    passed: bool
    difference: Difference | None
    layer: str | None
    op: str | None
    first_suspect: str | None
    suspect_layers: int
    different_layers: int
    checks: int
    skipped_checks: int
    threads: int
    failed_threads: int


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Whether this machine computes what a package states.

    Attributes:
        passed: Whether nothing differs with any tier.
        summary: The result in words, with the tiers and layers that differ.
        tiers: What was found with each tier, the best tier first.
    """

    passed: bool
    summary: str
    tiers: tuple[TierTest, ...]
