"""The crew of this example, as a script: every agent answers from the files beside it."""

from pathlib import Path
from runpy import run_path

_FOLDER = Path(__file__).parent

answer = run_path(str(_FOLDER.parent / "answers.py"))["script"](_FOLDER)
