"""The rows of the list of runs."""

import asyncio
from dataclasses import replace
from pathlib import Path

from attractor.records.summary import summarize
from attractor.server.html.run_list import RunRow
from tests.pipeline.projects import open_project, simulated, start
from tests.records.test_evidence import PIPELINE


def test_answered_question_is_no_reason_before_its_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "pipeline.dot").write_text(PIPELINE)
    request = replace(simulated(tmp_path, workspace="none"), interviewer="park")
    root = asyncio.run(start(request, open_project(tmp_path))).directory
    asked = summarize(root)
    assert "Go on?" in asked.reason
    assert [RunRow(one, 0.0).reason for one in (asked, replace(asked, questions=()))] == ["", ""]
