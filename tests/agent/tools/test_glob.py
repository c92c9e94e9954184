import os
from pathlib import Path

from attractor.agent.tools.glob import part
from tests.agent.places import finish, local, write


def test_the_newest_file_comes_first(tmp_path: Path) -> None:
    write(tmp_path, a__py="", b__py="", c__txt="")
    os.utime(tmp_path / "a.py", (2e9, 2e9))
    shown = finish(part.execute({"pattern": "**/*.py"}, local(tmp_path)))
    assert shown == "a.py\nb.py"


def test_empty_result_is_reported(tmp_path: Path) -> None:
    assert finish(part.execute({"pattern": "*.rs"}, local(tmp_path))) == "No files match"
