"""Runs the command line as `python -m attractor`."""

import sys

from attractor.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
