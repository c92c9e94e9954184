"""Files that two editors save at once."""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from attractor.base.errors import Refused
from attractor.pipeline.source.files import read_pipeline_file, write_pipeline_file
from tests.patience import PATIENCE_S


def test_second_of_two_editors_is_refused(tmp_path: Path) -> None:
    known = write_pipeline_file(tmp_path, "p.dot", "digraph p {}", known="").content
    folder = os.open(tmp_path, os.O_RDONLY)
    with ThreadPoolExecutor(1) as pool:
        # Another process is between its check and its write.
        fcntl.flock(folder, fcntl.LOCK_EX)
        second = pool.submit(write_pipeline_file, tmp_path, "p.dot", "second", known=known)
        sleep(0.1)
        (tmp_path / "p.dot").write_text("first")
        os.close(folder)
        with pytest.raises(Refused, match=r"p\.dot was changed meanwhile"):
            second.result(PATIENCE_S)
    assert read_pipeline_file(tmp_path, "p.dot", tmp_path / "runs").text == "first"
