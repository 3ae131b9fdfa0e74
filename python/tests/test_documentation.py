"""Runs the examples of the documentation, one page after another, in a folder with what they name."""

import re
import shutil

import pytest
from conftest import CHECKPOINT, PHOTOGRAPHS, ROOT


@pytest.mark.filterwarnings("ignore::quern.QuernWarning")
@pytest.mark.parametrize("page", ["docs/python.md", "python/README.md"])
def test_examples_run(page, package, photographs, tmp_path, monkeypatch):
    for name, target in {
        "model.quern": package,
        "model.pth": CHECKPOINT,
        "photos": PHOTOGRAPHS,
        "cat.jpg": photographs[0],
        "dog.png": photographs[1],
    }.items():
        # Copies, since examples write to these names, and the tool follows links.
        (shutil.copytree if target.is_dir() else shutil.copy)(target, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    exec(compile("\n".join(blocks), page, "exec"), {})  # noqa: S102 - the examples of this repository
