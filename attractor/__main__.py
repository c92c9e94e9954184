"""The program `attractor`, also run as `python -m attractor`."""

import gc
import sys
from typing import cast


def main() -> int:
    """Run one command and return its exit status, also if the imports fail or are interrupted."""
    # The imports create no garbage. The command starts the collector when it is loaded.
    gc.disable()
    # httpx imports its own command line, with rich and pygments, if it finds one.
    cast("dict[str, object]", sys.modules).setdefault("httpx._main", None)
    if sys.platform == "win32":
        # Before all modules that need what Windows does not have.
        from attractor.base.windows import stand_in

        stand_in()
    try:
        # Heavy.
        from attractor.cli.main import main as run

        return run()
    except ImportError as error:
        # Of the command line itself, in an environment that was removed in part.
        from attractor.base.registry import install_again

        sys.stderr.write(f"error: the installation is incomplete: {error} ({install_again()})\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
