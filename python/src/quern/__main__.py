"""`python -m quern` runs the bundled tool, as the command `quern` does."""

import os
import sys

from quern import _binary

if __name__ == "__main__":
    tool = _binary.path()
    try:
        os.execv(tool, ["quern", *sys.argv[1:]])  # noqa: S606 - without a shell, on the user's own arguments
    except OSError as error:
        sys.exit(f"quern: cannot run {tool}: {error.strerror}")
