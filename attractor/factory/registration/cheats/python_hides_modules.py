"""Puts modules beside tests in Python, which hide modules of Python itself."""

from collections.abc import Mapping

from attractor.factory.registration.cheat import PYTHON, Cheat, Solution

_NAMES = (
    *("argparse", "csv", "dataclasses", "datetime", "difflib", "http", "importlib", "json"),
    *("pathlib", "pytest", "random", "re", "shutil", "sitecustomize", "socket", "sqlite3"),
    *("subprocess", "tempfile", "textwrap", "typing", "unittest", "urllib"),
)


def _make(solution: Solution) -> Mapping[str, str]:
    tests = [path for path in solution.fixtures if path.endswith(PYTHON)]
    folders = {path[: path.rfind("/") + 1] for path in ("", *tests)} if tests else ()
    text = "import os\n\nos._exit(0)\n"
    return {f"{folder}{name}.py": text for folder in folders for name in _NAMES}


part = Cheat(
    "puts modules beside the tests, which hide those of Python and end the process with 0",
    _make,
    remedy="start Python with -I in the step, or check by a verifier",
)
