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
