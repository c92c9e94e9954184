"""The whole output of an attempt, and the lines of it that explain a failed run."""

import asyncio
from pathlib import Path

import pytest

from attractor.engine.stage.folder import TAIL
from attractor.records.stage_output import describe_failed_output, failed_output, read_output
from attractor.records.timeline import StageAttempt, read_timeline
from tests.pipeline.projects import open_project, simulated, start

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare];"


@pytest.mark.parametrize(
    ("files", "output"),
    [
        ({}, None),
        ({"stdout.txt": "", "stderr.txt": ""}, ""),
        ({"stdout.txt": "1", "stderr.txt": "2\n"}, "1\n2\n"),
        ({"stdout.txt": "1\n3\n", "stderr.txt": "2\n", "output.txt": "1\n2\n3\n"}, "1\n2\n3\n"),
        ({TAIL: "last\n"}, "last\n"),
    ],
)
def test_output_is_in_order_of_arrival_or_of_an_older_run(
    tmp_path: Path, files: dict[str, str], output: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert read_output(StageAttempt("test", 1, 1, folder=tmp_path)) == output


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            'a [{}="seq 9; sleep 60", timeout="1s"]; start -> a -> exit',
            ["a@1.1:", "| 5", "| 6", "| 7", "| 8", "| 9"],
        ),
        (
            r"""a [{}="printf 'error: no\\nb\\aell\\n'; false"]; start -> a -> exit""",
            ["a@1.1:", "| b\N{REPLACEMENT CHARACTER}ell"],
        ),
        ('a [{}="false"]; start -> a -> exit', []),
        ('a [{}="echo b"]; start -> a; a -> exit [condition="outcome=fail"]', []),
        (
            """a [{}="true", max_visits=2]; b [{}="echo Error: no; echo why; false"]
            start -> a -> b; b -> exit [condition="outcome=success"]
            b -> a [condition="outcome=fail"]""",
            ["b@2.1:", "| why"],
        ),
    ],
)
def test_failed_stage_is_shown_with_lines_of_its_output(
    tmp_path: Path, body: str, shown: list[str]
) -> None:
    text = body.replace("{}", "shape=parallelogram, tool_command")
    (tmp_path / "pipeline.dot").write_text(f"digraph p {{ {ENDS} {text} }}")
    request = simulated(tmp_path, workspace="none")
    result = asyncio.run(start(request, open_project(tmp_path)))
    outputs = failed_output(read_timeline(result.directory))
    assert list(describe_failed_output(outputs)) == shown
