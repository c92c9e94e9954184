"""A bad example for the layer test: it opens a file to write when it is imported."""

import os
from pathlib import Path

with Path(os.devnull).open("w") as nowhere:
    nowhere.write("busy")
