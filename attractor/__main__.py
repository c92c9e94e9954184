"""The program `attractor`, also run as `python -m attractor`."""

import sys


def main() -> int:
    """Run one command and return its exit status, also if Ctrl-C comes during the imports."""
    try:
        # Heavy.
        from attractor.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
