"""Adds the library and the tool to the wheel, which therefore runs on one platform, but on every Python."""

import os
import platform
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What scripts/build-wheel names, and the names in the package.
BINARIES = {"QUERN_WHEEL_LIBRARY": "libquern.so", "QUERN_WHEEL_TOOL": "quern"}


class BinariesHook(BuildHookInterface):
    """Adds native files as the folder `quern/_native`, and names the platform in the wheel's tag."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Describes the native files to the builder.

        Args:
            version: `standard`, or `editable`: such an installation finds the files by environment variables.
            build_data: Receives the files and the tag.
        """
        if version == "editable":
            return
        for variable, name in BINARIES.items():
            path = os.environ.get(variable)
            if path is None or not Path(path).is_file():
                raise RuntimeError(f"{variable} names no file. Build wheels by scripts/build-wheel")
            build_data["force_include"][path] = f"quern/_native/{name}"
        if licences := os.environ.get("QUERN_WHEEL_LICENCES"):
            build_data["force_include"][licences] = "quern/_native/licences"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"
