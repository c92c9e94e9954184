"""Limits of an account: its runs wait, spend no attempt, and continue by themselves."""

import json
import signal
import time
import tomllib
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor import RunResult
from attractor.backends.limit_texts import TABLE
from attractor.base.json import Json
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.pipeline.status import plain_status
from attractor.records.summary import summarize
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git, make_project
from tests.prepared import Process, begin_prepared, plain, run_prepared
from tests.spec.runs import between, environ_for, events, project_in, record, run
from tests.tables import table

ONE = between(
    'ask [shape=box, type=prompt, prompt="How many?", timeout=2s]', "start -> ask -> exit"
)
MODEL = "claude-sonnet-4-5"
MODELS = ("gpt-5.2", "gemini-2.5-flash", MODEL)
RUN = ("run", "one.dot", "--workspace=none", "--sandbox=none")


@dataclass
class Desk:
    """A folder of runs, a twin of the provider, and the time of the reset."""

    folder: Path
    twin: ProviderTwin
    processes: ExitStack
    model: str = MODEL

    @property
    def environ(self) -> Mapping[str, str]:
        return {**environ_for(self.folder), **self.twin.environ()}

    def run(self, text: str = ONE, **options: object) -> RunResult:
        given = {"backend": "agent", "model": self.model, "environ": self.environ, **options}
        return run(self.folder, text, **given)  # pyright: ignore

    def start(self, *words: str, text: str = ONE) -> Process:
        """Start a command in a process of its own; without words, start a run."""
        (project_in(self.folder) / "one.dot").write_text(text)
        process = begin_prepared(
            words or (*RUN, f"--model={self.model}"),
            folder=project_in(self.folder),
            variables=plain(self.environ),
        )
        self.processes.callback(process.wait)
        self.processes.callback(process.kill)
        return process

    def output(self, *words: str) -> str:
        """Return the output of a command."""
        done = run_prepared(words, folder=project_in(self.folder), variables=plain(self.environ))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def roots(self) -> list[Path]:
        return sorted((project_in(self.folder) / "runs").glob("*/"))

    def status(self, at: int = -1) -> dict[str, Json]:
        file = ([Path(), *self.roots()][at]) / "run.json"
        return json.loads(file.read_text()) if file.exists() else {"status": ""}

    def statuses(self) -> list[str]:
        """Return the statuses of all runs."""
        return [str(self.status(at)["status"]) for at in range(1, len(self.roots()) + 1)]

    def bring_forward(self) -> Path:
        """Bring the next try of the only account forward to now; return its file."""
        [account] = (self.folder / "state" / "accounts").glob("*.json")
        now = {**json.loads(account.read_text()), "until": datetime.now(UTC).isoformat()}
        account.write_text(json.dumps(now))
        return account


AFTER = "8h44m7s."
LIMITED = """
[[rules]]
first = {times}
[rules.answer.fault]
kind = "status"
status = 429
code = "rate_limit_error"
message = "{message}"
{wait}

[[rules]]
answer = {{ text = "Seven.", delay = "{delay}" }}
"""


def reset_in(seconds: int) -> str:
    """Return a recorded message of the table, whose limit resets after some seconds."""
    table = tomllib.loads(TABLE.read_text("utf-8"))["limit"]
    [text] = [
        one["text"] for limit in table for one in limit["recorded"] if one["text"].endswith(AFTER)
    ]
    return text.removesuffix(AFTER) + f"{seconds}s."


@contextmanager
def desk(
    folder: Path,
    *,
    after: int,
    message: str = "",
    wait: str = "",
    times: int = 1,
    delay: str = "0s",
    model: str = MODEL,
) -> Generator[Desk]:
    """Open a desk whose account has reached a limit, which resets after some seconds."""
    wait = f'retry_after = "{wait}"' if wait else ""
    message = message or reset_in(after)
    text = LIMITED.format(times=times, message=message, wait=wait, delay=delay)
    with in_background(ProviderTwin(parse_script(text))) as twin, ExitStack() as processes:
        yield Desk(folder, twin, processes, model)


def calls(one: Desk) -> list[int]:
    """Return the statuses of the model calls."""
    return [asked.status for asked in one.twin.requests if asked.method == "POST"]


def test_a_run_waits_for_the_reset_and_succeeds_with_one_attempt(tmp_path: Path) -> None:
    seconds = count(ci=4, full=20)
    with desk(tmp_path, after=seconds) as one:
        result = one.run(max_duration="3s")
        assert calls(one) == [429, 200]
        assert f" {MODEL} answered " in one.output("models", "--mine")
    assert result.completed == ("start", "ask")
    assert record(result, "ask/status.json")["attempt"] == 1
    assert len(events(result, "StageStarted")) == 2
    assert not events(result, "StageRetrying", "StageFailed", "BudgetWarning")
    # Neither `timeout` nor `max_duration` counts the wait.
    assert float(str(record(result, "final.json")["seconds"])) < 2
    recorded = events(result, "StageWaiting")
    changes = [one.data for one in events(result, "RunStatusChanged")]
    assert [one["status"] for one in changes][1:4] == ["executing", "waiting", "executing"]
    [waited] = events(result, "StageContinued")
    assert changes[2]["wait"] == {"reason": "limit", "until": recorded[0].data["until"]}
    assert seconds - 1 < float(str(waited.data["seconds"])) < seconds + 2
    assert "limit of anthropic" in str(changes[2]["reason"])


@table("model", MODELS[: count(ci=1, full=3)])
def test_a_far_reset_of_a_native_provider_is_a_limit(tmp_path: Path, model: str) -> None:
    with desk(tmp_path, after=0, message="slow down", wait="90s", model=model) as one:
        process = one.start()
        wait_until(lambda: one.statuses() == ["waiting"])
        far = datetime.fromisoformat(str(one.status()["wait"]["until"]))  # pyright: ignore
        assert 60 < (far - datetime.now(UTC)).total_seconds() <= 90
        one.bring_forward()
        assert process.wait(PATIENCE_S) == 0
        assert calls(one) == [429, 200]
        stage = json.loads((one.roots()[0] / "ask" / "status.json").read_text())
        assert stage["attempt"] == 1


@table("model", MODELS)
def test_a_near_reset_of_a_native_provider_is_a_retry(tmp_path: Path, model: str) -> None:
    with desk(tmp_path, after=0, message="slow down", wait="1s", model=model) as one:
        result = one.run()
        assert calls(one) == [429, 200]
    assert result.completed == ("start", "ask")
    assert not events(result, "StageWaiting", "StageRetrying")


def test_three_runs_of_one_account_start_one_request_in_the_wait(tmp_path: Path) -> None:
    # The first probe is refused, too: the reset was wrong.
    with desk(tmp_path, after=60, times=2) as one:
        processes = [one.start()]
        wait_until(lambda: calls(one) == [429])
        processes += [one.start(), one.start()]
        wait_until(lambda: one.statuses() == ["waiting"] * 3)
        assert calls(one) == [429]
        one.bring_forward()
        wait_until(lambda: calls(one) == [429, 429])
        time.sleep(3)
        assert calls(one) == [429, 429]
        # The next probe is due in five minutes; its time is brought forward.
        account = one.bring_forward()
        assert [process.wait(PATIENCE_S) for process in processes] == [0, 0, 0]
        assert calls(one) == [429, 429, 200, 200, 200]
    assert "sk-" not in account.name


def test_a_probe_excludes_other_runs_until_it_is_answered(tmp_path: Path) -> None:
    slow = ONE.replace(", timeout=2s", "")
    with desk(tmp_path, after=60, delay="4s") as one:
        first = one.start(text=slow)
        wait_until(lambda: calls(one)[:1] == [429])
        second = one.start(text=slow)
        wait_until(lambda: one.statuses() == ["waiting"] * 2)
        one.bring_forward()
        wait_until(lambda: "executing" in one.statuses())
        time.sleep(1)
        assert sorted(one.statuses()) == ["executing", "waiting"]
        assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (0, 0)


def test_a_waiting_run_is_no_run_that_waits_for_a_person(tmp_path: Path) -> None:
    with desk(tmp_path, after=60) as one:
        process = one.start()
        wait_until(lambda: one.statuses() == ["waiting"])
        [root] = one.roots()
        summary = summarize(root)
        assert (str(plain_status(summary)), summary.is_live) == ("running (waits for limit)", True)
        assert summary.questions == ()
        found = {words: one.output(*words.split()) for words in SURFACES}
        assert root.name in found["runs --status waiting"]
        assert root.name not in found["runs --status awaiting_human"]
        assert "limit of anthropic" in found["status latest"]
        assert "next try at" in found["diagnose latest"]
        [listed] = json.loads(found["runs --json"])
        assert listed["wait"]["reason"] == "limit"
        assert "limit of anthropic" in found["logs latest"]
        process.kill()
        process.wait()
        assert str(plain_status(summarize(root))) == "needs you (dead process)"


SURFACES = (
    "runs --status waiting",
    "runs --status awaiting_human",
    "runs --json",
    "status latest",
    "diagnose latest",
    "logs latest",
)


@pytest.mark.parametrize("end", ["cancel", "kill", "interrupt", "pause"])
def test_a_waiting_run_can_be_ended_and_resumed(tmp_path: Path, end: str) -> None:
    with desk(tmp_path, after=60) as one:
        process = one.start()
        wait_until(lambda: one.statuses() == ["waiting"])
        match end:
            case "cancel":
                one.output("cancel", "latest")
                assert process.wait(PATIENCE_S) == 1
                assert one.status()["status"] == "canceled"
                assert calls(one) == [429]
                return
            case "pause":
                one.output("pause", "latest")
                wait_until(lambda: summarize(one.roots()[0]).is_paused)
                one.bring_forward()
                wait_until(lambda: calls(one) == [429, 200])
                time.sleep(0.5)
                assert process.poll() is None
                one.output("resume", "latest")
                assert process.wait(PATIENCE_S) == 0
                return
            case "kill":
                process.kill()
                process.wait()
            case _:
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE_S) == 130
        assert not is_held(RunDirectory(one.roots()[0]).lock)
        assert one.status()["status"] == "waiting"
        again = one.start("resume", "latest")
        wait_until(lambda: is_held(RunDirectory(one.roots()[0]).lock))
        assert calls(one) == [429]
        one.bring_forward()
        assert again.wait(PATIENCE_S) == 0
        assert calls(one) == [429, 200]


def test_without_waiting_a_limit_stops_the_run_resumably(tmp_path: Path) -> None:
    with desk(tmp_path, after=60, times=9) as one:
        result = one.run(ONE.replace(", timeout=2s", ""), waits_for_limits=False)
        assert not events(result, "StageWaiting")
        assert (result.status.word, "RateLimitError" in result.reason) == ("executing", True)
        (project_in(tmp_path) / "attractor.toml").write_text(
            "[backends]\nwait_for_limits = false\n"
        )
        assert not events(one.run(), "StageWaiting")
    assert not (tmp_path / "state" / "accounts").exists()


AGENT = """cat >/dev/null
[ -e OUT/limited ] ||
  { touch OUT/limited; echo work > work.txt; echo 'Session limit reached'; exit 1; }
echo "$(cat work.txt) goes on" > work.txt; echo '{"outcome": "success"}' > $ATTRACTOR_STATUS_FILE
"""
FAILS_ONCE = "[ -e OUT/failed ] || { touch OUT/failed; echo lost > lost.txt; exit 1; }\n"


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_killed_wait_keeps_the_files_of_its_attempt(tmp_path: Path, attempt: int) -> None:
    script = (FAILS_ONCE * (attempt - 1) + AGENT).replace("OUT", str(tmp_path))
    settings = '[backends.command]\nrun = "bash agent.sh"\n'
    text = between(
        'work [prompt="Work", max_retries=1, retry_policy=linear]', "start -> work -> exit"
    )
    project = project_in(tmp_path)
    project.rmdir()
    make_project(project, text, **{"agent.sh": script, "attractor.toml": settings})
    with desk(tmp_path, after=0) as one:
        process = one.start("run", "pipeline.dot", "--backend=command", "--sandbox=none", text=text)
        wait_until(lambda: one.statuses() == ["waiting"])
        process.kill()
        process.wait()
        one.bring_forward()
        assert one.start("resume", "latest").wait(PATIENCE_S) == 0
        branch = f"attractor/run/{one.roots()[0].name}"
        made = git(project, "diff", "--name-only", f"HEAD...{branch}").split()
        assert made == ["work.txt"]
        assert git(project, "show", f"{branch}:work.txt").strip() == "work goes on"


BRANCHES = between(
    "fork [shape=component]",
    'ask [type=prompt, prompt="How many?"]',
    'work [shape=parallelogram, tool_command="sleep 2"]',
    "join [shape=tripleoctagon]",
    "start -> fork; fork -> ask; fork -> work; ask -> join; work -> join; join -> exit",
)


def test_a_run_waits_only_while_no_branch_works(tmp_path: Path) -> None:
    with desk(tmp_path, after=5) as one:
        result = one.run(BRANCHES)
    kinds = ["StageWaiting", "StageCompleted", "RunStatusChanged", "StageContinued"]
    recorded = [
        (one.type, one.node or one.data["status"])
        for one in events(result, *kinds)
        if one.node in ("ask", "work") or one.data.get("status") == "waiting"
    ]
    assert recorded == [
        ("StageWaiting", "ask"),
        ("StageCompleted", "work"),
        ("RunStatusChanged", "waiting"),
        ("StageContinued", "ask"),
        ("StageCompleted", "ask"),
    ]


def test_a_parent_waits_with_its_child(tmp_path: Path) -> None:
    (project_in(tmp_path) / "inner.dot").write_text(ONE)
    outer = between('inner [type=pipeline, file="inner.dot", timeout=3s]', "start -> inner -> exit")
    with desk(tmp_path, after=5) as one:
        result = one.run(outer, max_duration="4s")
    assert result.completed == ("start", "inner")
    words = [str(one.data["status"]) for one in events(result, "RunStatusChanged")]
    assert words[1:4] == ["executing", "waiting", "executing"]
