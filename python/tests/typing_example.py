"""What mypy says about a program that uses the package. Lines with `type: ignore` must be errors."""

from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
import PIL.Image

import quern

with quern.open("model.quern", size=224, tier="scalar", threads=1) as model:
    assert_type(model, quern.Model)
    assert_type(model.embed(["a.jpg", Path("b.png")]), npt.NDArray[np.float32])
    model.embed(path for path in Path("photos").glob("*.jpg"))
    model.embed(PIL.Image.new("RGB", (2, 2)))
    model.embed([np.zeros((2, 2, 3), np.uint8), "a.jpg"])
    model.embed(3)  # type: ignore[arg-type]
    assert_type(model.classify("a.jpg")[0][0].label, str | None)
    assert_type(model.fidelity, quern.Fidelity | None)
    assert_type(model.selftest(tier="avx2").tiers[0].layer, str | None)
quern.open("model.quern", tier="mmx")  # type: ignore[arg-type]

report = quern.convert("m.pth", calibration="photos", output="m.quern", size=[224, "500:4"], effort="thorough")
assert_type(report, quern.Report)
quern.convert("m.pth", calibration="photos", output="m.quern", efort="thorough")  # type: ignore[call-arg]
quern.convert("m.pth", calibration="photos", output="m.quern", effort="quick")  # type: ignore[arg-type]
quern.convert("m.pth", calibration="photos")  # type: ignore[call-arg]
quern.verify("m.quern", reference="m.pth", images="photos", max_mean_drift=0.01, strict=True, progress=print)
quern.compare(np.zeros((1, 2), np.float32), "reference.npy", labels="labels.txt")
