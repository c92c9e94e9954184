"""Events of a run, a second apart, for tests of the live display."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.base.events import Event
from attractor.base.json import Json
from attractor.cli.runs.live.state import RunView, fold
from attractor.engine.run_folder.layout import Manifest, manifest_to_record
from attractor.engine.seams import Base

BEGAN = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
RUN = "01JZ0000000000000000000000"
CHILD = "01JZ0000000000000000000001"


@dataclass
class RunEvents:
    """Creates and collects the events of one run."""

    run_id: str = RUN
    prefix: str = ""
    events: list[Event] = field(default_factory=list[Event])
    seconds: float = 0.0

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    @property
    def view(self) -> RunView:
        return view_of(self.events)

    def tell(
        self,
        kind: str,
        node: str = "",
        *,
        visit: int = 1,
        attempt: int = 1,
        branch: str = "",
        **data: Json,
    ) -> Event:
        self.seconds += 1
        place = "/".join(filter(None, [self.prefix, branch])) or None
        event = Event(
            seq=len(self.events) + 1,
            time=self.now,
            run_id=self.run_id,
            type=kind,
            node=node or None,
            visit=visit if node else None,
            attempt=attempt if node else None,
            branch=place,
            data=data,
        )
        self.events.append(event)
        return event

    def stage(
        self,
        node: str,
        outcome: str = "success",
        *,
        visit: int = 1,
        branch: str = "",
        cost: float = 0.0,
        tokens: int = 0,
    ) -> None:
        """Emit the events of a stage: start, end and checkpoint."""
        self.tell("StageStarted", node, visit=visit, branch=branch)
        if outcome == "fail":
            self.fail(node, visit=visit, branch=branch)
        else:
            self.tell(
                "StageCompleted", node, visit=visit, branch=branch, outcome=outcome, duration=1.0
            )
        self.save(node, branch=branch, cost=cost, tokens=tokens)

    def fail(
        self, node: str, *, visit: int = 1, branch: str = "", will_retry: bool = False
    ) -> None:
        self.tell(
            "StageFailed",
            node,
            visit=visit,
            branch=branch,
            error="exit code 1: no such file",
            failure_class="verdict",
            duration=1.0,
            will_retry=will_retry,
        )

    def retry(self, node: str, attempt: int) -> None:
        """Let a stage wait for a retry: the envelope has the failed attempt, the data the next."""
        found = self.tell("StageRetrying", node, attempt=attempt - 1, delay=2.0)
        self.events[-1] = replace(found, data={**found.data, "attempt": attempt})

    def save(self, node: str, *, branch: str = "", cost: float = 0.0, tokens: int = 0) -> None:
        used: Json = {"input_tokens": tokens, "output_tokens": 0, "cost_usd": cost}
        visit: Json = {"node": node, "seconds": 1.0, "outcome": {"usage": used}}
        self.tell("CheckpointSaved", branch=branch, node_id=node, step={"visit": visit})

    def ask(self, node: str, kind: str = "InterviewStarted") -> Event:
        return self.tell(kind, node, question=question(node))

    def answer(self, node: str) -> Event:
        return self.tell("InterviewCompleted", node, question=question(node), answer={})


def question(node: str) -> Json:
    options: Json = [{"key": "Y", "label": "[Y] Yes"}, {"key": "later", "label": "Later"}]
    return {"id": f"{node}@1.1", "text": "Ship it?", "options": options}


def view_of(events: Sequence[Event], view: RunView | None = None) -> RunView:
    view = view or RunView()
    for one in events:
        view = fold(view, one)
    return view


def a_run() -> RunEvents:
    """Return a run in progress, with events of every kind."""
    run = RunEvents()
    run.tell("BudgetsSet", cost_usd=2.0, tokens=50_000, seconds=600.0)
    run.tell("RunStatusChanged", status="executing", phase="", reason="")
    run.tell("PipelineStarted", name="wish", id=RUN)
    run.stage("start")
    run.stage("plan", cost=0.1, tokens=3200)
    run.stage("build", "fail", cost=0.31, tokens=12_345)
    run.stage("build", "partial_success", visit=2)
    run.tell("StageStarted", "flaky")
    run.fail("flaky", will_retry=True)
    run.retry("flaky", 2)
    run.tell("StageStarted", "lint", branch="fan@1.1/lint")
    arguments: Json = {"command": "make test\nmake more", "timeout_ms": 1}
    run.tell(
        "TOOL_CALL_START", "lint", branch="fan@1.1/lint", tool_name="shell", arguments=arguments
    )
    run.tell(
        "TOOL_CALL_END", "lint", branch="fan@1.1/lint", output="one\n\ntwo\t2\n\x1b[31mthree 漢字\n"
    )
    run.tell("StageStarted", "ask", branch="fan@1.1/ask")
    run.ask("ask")
    return run


def write_manifest(root: Path, run_id: str = RUN) -> Path:
    """Write the manifest of a run, and return its directory."""
    root.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        run_id=run_id,
        pipeline="wish",
        goal="",
        started=BEGAN,
        content_hash="",
        base=Base("", "", ""),
    )
    (root / "manifest.json").write_text(json.dumps(manifest_to_record(manifest)))
    return root
