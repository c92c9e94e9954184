"""`status` shows running stages, their output and the next steps."""

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from attractor.cli.runs.live.render import DisplaySize, render
from attractor.cli.runs.live.state import RunView, fold
from attractor.cli.runs.status import as_text
from attractor.pipeline.status import read_status, status_changes
from attractor.records.lookup import read_run
from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import model_requests
from tests.cli.plain_desk import (
    PlainDesk,
    desk as desk,  # a fixture
)
from tests.cli.running import ATTRACTOR, attractor
from tests.cli.terminals import plain, sit
from tests.cli.test_budgets import MODEL, PIPELINE, TwinDesk
from tests.needs import needs_bubblewrap
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import Process, begin_prepared

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
GO = "timeout 60 sh -c 'until [ -e go ]; do sleep 0.05; done'"
TALKS = f"""digraph talks {{ {ENDS}
    build [shape=parallelogram, tool_command="echo $MY_TOKEN; echo compiling; {GO}"]
    start -> build -> exit }}
"""
TWO = f"""digraph two {{ {ENDS}
    build [shape=parallelogram, tool_command="echo compiling; {GO}"]
    pack  [shape=parallelogram, tool_command="true"]
    start -> build -> pack -> exit }}
"""
GATE = f"""digraph gate {{ {ENDS}
    ask [shape=hexagon, label="Ship it?"]
    start -> ask
    ask -> exit [label="[S] Ship"] }}
"""
ROUNDS = f"""digraph rounds {{ {ENDS}
    make [shape=parallelogram, tool_command="echo made >> made.txt"]
    test [shape=parallelogram, tool_command="[ $(wc -l < made.txt) -ge 3 ]"]
    start -> make -> test
    test -> exit [condition="outcome=success"]
    test -> make [condition="outcome=fail", loop_restart=true] }}
"""
INNER = f"""digraph inner {{ {ENDS}
    lint [shape=parallelogram, tool_command="echo linting; {GO}"]
    start -> lint -> exit }}
"""
OUTER = f"""digraph outer {{ {ENDS}
    child [type=pipeline, file="inner.dot"]
    start -> child -> exit }}
"""


@contextmanager
def watched(desk: PlainDesk, *words: str) -> Generator[Process]:
    process = begin_prepared(
        words,
        folder=desk.place,
        variables=desk.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def until(process: Process, words: str) -> list[str]:
    """Read lines until a line contains these words."""
    assert process.stdout
    lines: list[str] = []
    while not lines or words not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    return lines


def begin(desk: PlainDesk, text: str) -> None:
    desk.write(text)
    desk.begin(*desk.to_run())
    wait_until(lambda: list(desk.folder.glob("runs/*/run.json")))


def test_output_of_a_running_command_is_shown(desk: PlainDesk) -> None:
    begin(desk, TALKS.replace("$MY_TOKEN", "about to"))
    wait_until(lambda: "compiling" in desk.do("status").stdout)
    output = desk.do("status").stdout
    assert "running    stage build\noutput     | about to\n           | compiling\n" in output
    [one] = json.loads(desk.do("status", "--json").stdout)["at_work"]
    assert (one["node"], one["last_lines"]) == ("build", ["about to", "compiling"])
    (desk.folder / "go").touch()
    wait_until(lambda: "printed" not in desk.do("status").stdout)


def test_output_of_a_child_stage_is_shown_with_its_name(desk: PlainDesk) -> None:
    desk.write(INNER, "inner.dot")
    begin(desk, OUTER)
    wait_until(lambda: "linting" in desk.do("status").stdout)
    output = desk.do("status").stdout
    assert "output     [child@1.1] lint:\n           | linting\n" in output
    (desk.folder / "go").touch()


def test_duration_of_a_long_model_call_is_shown(tmp_path: Path) -> None:
    desk = TwinDesk(tmp_path)
    desk.write(PIPELINE)
    hang = Rule(answer=Answer.model_validate({"fault": {"kind": "hang"}}))
    with in_background(ProviderTwin(Script(rules=(hang,)))) as desk.twin:
        running = desk.begin(*desk.to_run(*MODEL))
        wait_until(lambda: model_requests(desk.twin))
        [root] = [one.parent for one in desk.folder.glob("runs/*/run.json")]
        status = read_status(root, root.parent)
        [(stage, _)] = status.at_work
        assert stage.calling_since
        view = RunView()
        for event in read_run(root).events():
            view = fold(view, event)
        for seconds, words in ((29, ""), (30, "waiting for the model 30s"), (72, "model 1m 12s")):
            now = stage.calling_since + timedelta(seconds=seconds)
            live = "\n".join(line.plain for line in render(view, now, DisplaySize(80, 24)))
            for shown in (as_text(status, now), live):
                assert ("waiting for" in shown) == bool(words)
                assert words in shown
        # The status is yielded again although nothing has changed, with a growing duration.
        again = islice(status_changes(root, root.parent, lambda: None), 3)
        assert [one.at_work == status.at_work for one in again] == [True] * 3
        running.kill()
        running.wait(PATIENCE_S)
    # A dead process waits for nothing.
    assert "waiting" not in as_text(read_status(root, root.parent), now)


def test_followed_log_contains_command_output(desk: PlainDesk) -> None:
    begin(desk, TALKS.replace("$MY_TOKEN", "about to"))
    with watched(desk, "logs", "--follow") as following:
        # On a slow machine, an event may be printed between the two lines.
        printed = [one.strip() for one in until(following, "compiling") if " | " in one]
        assert printed == ["build | about to", "build | compiling"]
        (desk.folder / "go").touch()
        until(following, "stages ended: completed")


def test_unused_answer_is_shown(desk: PlainDesk) -> None:
    desk.write(GATE)
    desk.run()
    waiting = desk.do("status").stdout
    assert "question   ask@1.1: Ship it?" in waiting
    desk.do("answer", "latest", "S")
    output = desk.do("status").stdout
    [run] = [one.parent.name for one in desk.folder.glob("runs/*/run.json")]
    assert "answered   ask@1.1: S, by " in output
    assert f"resume     attractor resume {run}\n" in output
    assert "question" not in output
    assert "attractor answer" not in output
    assert "needs you (answered)" in desk.do("runs").stdout
    answered = json.loads(desk.do("status", "--json").stdout)["answered"]
    assert answered["ask@1.1"]["value"] == "S"
    desk.do("resume", "latest", "--no-evaluate")
    assert "answered" not in desk.do("status").stdout


def test_orders_to_a_restarted_run_name_its_successor(desk: PlainDesk) -> None:
    desk.write(ROUNDS)
    assert desk.run().returncode == 0
    first, second, third = sorted(one.parent.name for one in desk.folder.glob("runs/*/run.json"))
    for words, command in (
        (["cancel", first], "cancel"),
        (["pause", first], "pause"),
        (["steer", first, "faster"], "steer"),
        (["answer", second, "Y"], "answer"),
    ):
        refused = desk.do(*words)
        assert refused.returncode == 4
        assert f"; run {third} continues it" in refused.stderr
        assert f"attractor {command} {third}" in refused.stderr
    assert (
        f"restarted  as run {second}: attractor status {second}" in desk.do("status", first).stdout
    )


def test_resuming_a_paused_run_is_one_json_line(desk: PlainDesk) -> None:
    begin(desk, TWO)
    wait_until(lambda: "compiling" in desk.do("status").stdout)
    desk.do("pause", "latest")
    (desk.folder / "go").touch()
    [record] = desk.folder.glob("runs/*/run.json")
    wait_until(lambda: json.loads(record.read_text())["is_paused"])
    [line] = desk.do("resume", "latest", "--json").stdout.splitlines()
    assert json.loads(line)["action"] == "resume"


def test_watch_prints_each_change_until_the_end(desk: PlainDesk) -> None:
    begin(desk, TALKS.replace("$MY_TOKEN", "about to"))
    with (
        watched(desk, "status", "--watch") as lines,
        watched(desk, "status", "--watch", "--json") as objects,
    ):
        until(lines, ": running, at build")
        found = [json.loads(one) for one in until(objects, "compiling")]
        assert found[-1]["at_work"][0]["last_lines"] == ["about to", "compiling"]
        (desk.folder / "go").touch()
        words = [one[8:] for one in until(lines, ": succeeded, not judged: no suite, success")]
        assert len(words) == len({*words})
        last = json.loads(until(objects, '"outcome": "success"')[-1])
        assert last["status"] in ("executing", "awaiting_human")
        assert (lines.wait(PATIENCE_S), objects.wait(PATIENCE_S)) == (0, 0)


def test_watch_continues_over_a_parked_run(desk: PlainDesk) -> None:
    desk.write(GATE)
    desk.run()
    with watched(desk, "status", "--watch") as lines:
        until(lines, "waits for an answer: Ship it?")
        desk.do("answer", "latest", "S")
        until(lines, "answered")
        desk.do("resume", "latest", "--no-evaluate")
        until(lines, ": succeeded, not judged: no suite, success")
        assert lines.wait(PATIENCE_S) == 0


def test_watch_switches_to_the_next_round(desk: PlainDesk) -> None:
    desk.write(ROUNDS)
    desk.run()
    first, second, third = sorted(one.parent.name for one in desk.folder.glob("runs/*/run.json"))
    result = desk.do("status", first, "--watch", "--json")
    assert [json.loads(one)["run_id"] for one in result.stdout.splitlines()] == [
        first,
        second,
        third,
    ]


def test_watch_redraws_a_terminal_until_ctrl_c(desk: PlainDesk) -> None:
    begin(desk, TALKS.replace("$MY_TOKEN", "about to"))
    words = ["env", "TERM=xterm", ATTRACTOR, "status", "--watch"]
    with sit(words, cwd=desk.folder, environ=desk.environ) as sitting:
        sitting.until("compiling")
        assert "\x1b[" in sitting.shown
        assert "running    stage build" in plain(sitting.shown)
        sitting.interrupt()
        assert sitting.ends_with() == 130
        assert sitting.shown.rfind("\x1b[?25h") >= sitting.shown.rfind("\x1b[?25l")
    (desk.folder / "go").touch()


@pytest.mark.parametrize("words", [["status"], ["status", "--json"]])
def test_status_prints_no_secret(desk: PlainDesk, words: list[str]) -> None:
    desk.write(TALKS.replace("$MY_TOKEN", "$(cat secret)"))
    (desk.folder / "secret").write_text("s3cr3t-of-mine\n")
    environ = {**desk.environ, "MY_TOKEN": "s3cr3t-of-mine"}
    process = begin_prepared(desk.to_run(), folder=desk.place, variables=environ)
    desk.started.append(process)
    wait_until(lambda: list(Path(desk.folder).glob("runs/*/build/tail.txt")))
    output = desk.do(*words).stdout
    assert "***" in output
    assert "s3cr3t" not in output


def test_answer_continues_a_parked_run_with_resume(desk: PlainDesk) -> None:
    desk.write(GATE)
    desk.run()
    assert desk.do("answer", "latest", "--resume").returncode == 2
    ended = desk.do("answer", "latest", "S", "--resume")
    assert ended.returncode == 0, ended.stderr
    assert "success: completed" in ended.stdout
    assert "continue with" not in ended.stdout


@pytest.mark.parametrize("flags", [[], ["--all"]])
def test_answer_with_resume_prints_json_lines_with_the_result_last(
    desk: PlainDesk, flags: list[str]
) -> None:
    desk.write(GATE)
    desk.run()
    ended = desk.do("answer", "latest", "S", "--resume", "--json", *flags)
    first, *events, result = map(json.loads, ended.stdout.splitlines())
    assert "type" not in first
    assert all("type" in event for event in events)
    assert result["outcome"] == "success"


def test_pipeline_is_read_from_standard_input(desk: PlainDesk) -> None:
    words = ["run", "-", "--sandbox", "none", "--workspace", "none", "--no-evaluate"]
    parked = attractor(*words, folder=desk.folder, variables=desk.environ, typed=GATE)
    assert parked.returncode == 3, parked.stderr
    ended = desk.do("answer", "latest", "S", "--resume")
    assert ended.returncode == 0, ended.stderr
    wrong = attractor(*words, folder=desk.folder, variables=desk.environ, typed="digraph {")
    assert wrong.returncode == 2


def test_preflight_stops_before_the_first_stage(desk: PlainDesk) -> None:
    desk.write(GATE)
    checked = desk.run("--preflight")
    assert (checked.returncode, "can run: nothing is missing" in checked.stdout) == (0, True)
    result = desk.run("--preflight", "--json")
    assert json.loads(result.stdout)["sandbox"] == "none"
    assert json.loads(result.stdout)["programs"] == []
    refused = desk.run("--preflight", "--interviewer", "consle")
    assert (refused.returncode, "did you mean console?" in refused.stderr) == (2, True)
    assert not (desk.folder / "runs").exists()


@needs_bubblewrap
def test_preflight_names_a_toolchain_program_that_the_sandbox_does_not_show(
    desk: PlainDesk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    deno = tmp_path_factory.mktemp("tools") / "deno"
    deno.write_text("#!/bin/sh\necho deno 1.40.2\n")
    deno.chmod(0o755)
    desk.write('digraph { a [shape=Mdiamond]; b [script="deno test"]; c [shape=Msquare]; a->b->c }')
    variables = {**desk.environ, "PATH": f"{deno.parent}:{desk.environ['PATH']}"}
    words = [*desk.to_run("--preflight"), "--sandbox", "bubblewrap"]
    checked = attractor(*words, folder=desk.folder, variables=variables)
    assert checked.returncode == 0, checked.stderr
    *_, difference, end = checked.stdout.splitlines()
    assert difference.startswith("deno is not on the PATH of the sandbox (outside: 1.40.2 (")
    assert end.endswith(" can run.")
    [program] = json.loads(
        attractor(*words, "--json", folder=desk.folder, variables=variables).stdout
    )["programs"]
    assert (program["program"], program["inside"], program["outside"]) == ("deno", "", "1.40.2")
