"""Files on which a receipt depends, and the providers of writers and reviewers."""

from collections.abc import Iterator
from datetime import UTC, datetime

from attractor.base.events import Event
from attractor.base.json import Json
from attractor.base.records import write_record
from attractor.engine.journal.events import PipelineStarted
from attractor.engine.outcome import success
from attractor.engine.state.progress import Move, Step, Visit, step_to_record
from attractor.records.receipts import describe_providers, is_depended_on
from attractor.records.timeline import fold_timeline
from tests.tables import table


@table(
    ("path", "command", "wanted"),
    [
        ("Makefile", "make test", True),
        ("web/package.json", "true", True),
        ("sub/requirements-dev.txt", "true", True),
        ("tests/unit/test_a.py", "pytest tests/ -q", True),
        ("tests/unit/test_a.py", "pytest './tests/unit/test_a.py'", True),
        ("tests/unit/test_a.py", "python -m tests.unit.test_a", True),
        ("check.sh", "cd web && sh check.sh; true", True),
        ("src/app.py", "pytest tests", False),
        ("tests.py", "pytest tests_of_others", False),
        ("web/check.sh", "sh other.sh", False),
    ],
)
def test_changed_file_on_which_a_command_depends(path: str, command: str, wanted: bool) -> None:
    assert is_depended_on(path, [command]) == wanted


def happened(*stages: tuple[str, str, str]) -> Iterator[Event]:
    """Yield the events of a walk from the tree t0: node, provider and tree of each stage."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    begun = PipelineStarted("p", "R", "", {"next_node": stages[0][0], "tree": "t0"})
    yield Event(time=now, run_id="R", type="PipelineStarted", data=write_record(begun))
    for node, provider, tree in stages:
        step = Step(Visit(node, 1, 1, success(), tree=tree), Move())
        data: dict[str, dict[str, Json]] = {
            "StageStarted": {"name": node, "index": 1},
            "SESSION_START": {"provider": provider, "model": "m"} if provider else {},
            "CheckpointSaved": {"node_id": node, "step": step_to_record(step), "checkpoint": ""},
        }
        for kind, fields in data.items():
            yield Event(time=now, run_id="R", type=kind, node=node, visit=1, attempt=1, data=fields)


BEGUN = ("start", "", "t0")


@table(
    ("stages", "words"),
    [
        ([BEGUN, ("plan", "openai", "t0")], ""),
        ([BEGUN, ("test", "", "t1"), ("look", "openai", "t1")], ""),
        ([BEGUN, ("make", "anthropic", "t1")], "written with anthropic"),
        # The journal of a fork, or of a run after a restart, begins at another node.
        (
            [("make", "anthropic", "t1"), ("look", "gemini", "t1")],
            "written with anthropic, reviewed with gemini",
        ),
        (
            [
                BEGUN,
                ("plan", "openai", "t0"),
                ("make", "anthropic", "t1"),
                ("look", "gemini", "t1"),
            ],
            "written with anthropic, reviewed with gemini",
        ),
        (
            [BEGUN, ("a", "anthropic", "t1"), ("b", "openai", "t2"), ("look", "openai", "t2")],
            "written with anthropic and openai, reviewed with openai",
        ),
    ],
)
def test_providers_of_writers_and_reviewers(stages: list[tuple[str, str, str]], words: str) -> None:
    assert describe_providers(fold_timeline(happened(*stages), is_live=False)) == words
