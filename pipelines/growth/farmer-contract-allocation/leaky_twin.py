"""The same crew, with a compiler whose PHI gate lets one locked block through."""

from pathlib import Path
from runpy import run_path

_FOLDER = Path(__file__).parent

answer = run_path(str(_FOLDER.parent / "answers.py"))["script"](_FOLDER, "leaky-bodies", "bodies")
