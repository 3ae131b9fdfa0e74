"""Int8 image embeddings: runs `.quern` packages, and converts and verifies them by the bundled tool."""

from quern._commands import compare, convert, verify
from quern._errors import (
    BadDataError,
    CannotCreateError,
    Error,
    GateFailed,
    ImageError,
    ImageSizeError,
    InputOutputError,
    InternalError,
    InvalidArgumentError,
    NoSelfTestError,
    NotAvailableError,
    NotFoundError,
    OutOfMemoryError,
    QuernWarning,
    SelfTestFailed,
    UnsupportedError,
)
from quern._golden import golden
from quern._messages import Progress
from quern._model import Model, open, tiers
from quern._report import Drift, Gate, Interval, Report
from quern._results import Fidelity, Memory, Outputs, Prediction, SelfTest, TierTest

__all__ = [
    "BadDataError",
    "CannotCreateError",
    "Drift",
    "Error",
    "Fidelity",
    "Gate",
    "GateFailed",
    "ImageError",
    "ImageSizeError",
    "InputOutputError",
    "InternalError",
    "Interval",
    "InvalidArgumentError",
    "Memory",
    "Model",
    "NoSelfTestError",
    "NotAvailableError",
    "NotFoundError",
    "OutOfMemoryError",
    "Outputs",
    "Prediction",
    "Progress",
    "QuernWarning",
    "Report",
    "SelfTest",
    "SelfTestFailed",
    "TierTest",
    "UnsupportedError",
    "compare",
    "convert",
    "golden",
    "open",
    "tiers",
    "verify",
]

__version__: str


def __getattr__(name: str) -> str:
    # Read at first use, since finding the distribution takes longer than importing this package.
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("quern-embed")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
