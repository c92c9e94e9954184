"""The program `attractor`, also run as `python -m attractor`."""

import gc
import sys
from typing import cast


def main() -> int:
    """Run one command and return its exit status, also if Ctrl-C comes during the imports."""
    # The imports create no garbage. The command starts the collector when it is loaded.
    gc.disable()
    # httpx imports its own command line, with rich and pygments, if it finds one.
    cast("dict[str, object]", sys.modules).setdefault("httpx._main", None)
    try:
        # Heavy.
        from attractor.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
