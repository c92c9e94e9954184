"""Ruling R3: retried outcomes, number of attempts, and the tree of each attempt."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.routing.retry import retry_policy
from attractor.engine.run_folder.layout import create_run_directory
from attractor.engine.seams import Stage
from attractor.language.source.syntax_tree import Plain
from attractor.pipeline.execute import resume
from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, says, script, use, uses
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, RUN_ID, Ending, Workplace, manifest, run_graph
from tests.patience import with_longer_limits
from tests.pipeline.dying_attempts import run_and_die
from tests.pipeline.projects import git, make_project, open_project
from tests.spec.runs import ScriptedBackend, between, environ_for, events, project_in, run
from tests.tables import table

VERDICT = failure("red", FailureClass.VERDICT)


@table(
    ("said", "of_node", "default", "attempts"),
    [
        (RETRY, {}, 2, 3),
        (FAIL, {}, 2, 3),
        (failure("x", FailureClass.TERMINAL), {"max_retries": 2}, 2, 1),
        (failure("x", FailureClass.PIPELINE), {"max_retries": 2}, 2, 1),
        (VERDICT, {}, 2, 1),
        (VERDICT, {"max_retries": 1}, 5, 2),
        (FAIL, {"max_retries": 0}, 2, 1),
    ],
)
def test_R3_retryable_outcomes_are_retried(
    tmp_path: Path, said: Ending, of_node: dict[str, Plain], default: int, attempts: int
) -> None:
    whole = graph(
        [start(), node("a", **of_node), end()],
        chain("start", "a", "exit"),
        default_max_retries=default,
        retry_policy="none",
    )
    _, place = run_graph(tmp_path, whole, {"a": said})
    assert len(place.handler.calls) == attempts
    assert len(place.events("StageFailed")) == attempts
    retried = [one.data["will_retry"] for one in place.events("StageFailed")]
    assert retried == [True] * (attempts - 1) + [False]


def test_R3_a_time_limit_is_for_one_attempt(tmp_path: Path) -> None:
    def play(limit_s: float) -> None:
        time_out_once(tmp_path / f"{limit_s}", timedelta(seconds=limit_s))

    with_longer_limits(play, first_s=0.05)


def time_out_once(folder: Path, limit: timedelta) -> None:
    async def hang(stage: Stage) -> Outcome:
        if stage.attempt == 1:
            await asyncio.Event().wait()
        return success()

    limited = node("a", timeout=limit, max_retries=1, retry_policy="none")
    whole = graph([start(), limited, end()], chain("start", "a", "exit"))
    result, place = run_graph(folder, whole, {"a": hang})
    assert result.outcome is StageStatus.SUCCESS
    assert str(place.events("StageFailed")[0].data["error"]).startswith("timed out after ")


def test_R3_every_attempt_is_an_event(tmp_path: Path) -> None:
    whole = graph(
        [start(), node("a", max_retries=2, retry_policy="none"), end()],
        chain("start", "a", "exit"),
    )
    _, place = run_graph(tmp_path, whole, {"a": [RETRY, FAIL, success()]})
    kinds = [(one.type, one.attempt) for one in place.events() if one.node == "a"]
    assert kinds[:7] == [
        ("StageStarted", 1),
        ("StageFailed", 1),
        ("StageRetrying", 1),
        ("StageStarted", 2),
        ("StageFailed", 2),
        ("StageRetrying", 2),
        ("StageStarted", 3),
    ]
    assert kinds[7] == ("StageCompleted", 3)


@table(("more", "outcome"), [("", StageStatus.FAIL), (", retry_from=left", StageStatus.SUCCESS)])
def test_R3_attempts_begin_at_the_tree(tmp_path: Path, more: str, outcome: StageStatus) -> None:
    command = "test -e half && touch whole || { echo made > half; exit 1; }"
    node_ = f'a [shape=parallelogram, tool_command="{command}", max_retries=1{more}]'
    text = between("retry_policy=none", node_, "start -> a -> exit")
    project = make_project(tmp_path / "project", text)
    result = run(tmp_path, text, workspace="isolated")
    assert result.outcome is outcome
    history = result.directory / "a" / "history" / "1.1"
    if outcome is StageStatus.SUCCESS:
        branch = f"attractor/run/{result.run_id}"
        assert git(project, "show", f"{branch}:half") == "made\n"
        return
    # The work of the first attempt is not lost.
    patches = [one.read_text() for one in history.rglob("*.patch")]
    assert any("+made" in one for one in patches)


# Every attempt adds a line; the third one succeeds if it finds the lines of the others. At the
# moment "kill", the attempt kills the runner itself, after another line.
LINE = (
    "echo line >> log; if [ -e kill-$(wc -l < log) ] && mkdir $S/killed;"
    " then echo half >> log; kill -9 $(cat $S/runner.pid); sleep 9; fi; [ $(wc -l < log) = 3 ]"
)
ATTEMPTS = f'[shape=parallelogram, tool_command="{LINE}", max_retries=2, {{more}}]'
BRANCHES = "fan [shape=component{}]; start -> fan; fan -> a -> join; fan -> join;"


JOIN = "join [shape=tripleoctagon]; join -> exit"
LEFT = "retry_from=left"


@table(
    ("around", "more", "moment", "attempt"),
    [
        ("start -> a -> exit", LEFT, "StageRetrying", 1),
        ("start -> a -> exit", LEFT, "kill", 2),
        ("start -> a -> exit", LEFT, "StageStarted", 3),
        (BRANCHES.format("") + JOIN, LEFT, "kill", 2),
        (BRANCHES.format(", isolation=shared") + JOIN, "", "kill", 2),
    ],
)
def test_R3_kill_between_or_in_later_attempts_keeps_what_finished_attempts_left(
    tmp_path: Path, around: str, more: str, moment: str, attempt: int
) -> None:
    node_ = ATTEMPTS.format(more=more).replace("$S", str(tmp_path))
    text = between("retry_policy=none", f"a {node_}", around)
    project = make_project(tmp_path / "project", text, **{f"{moment}-{attempt}": ""})
    run_and_die(project, moment, attempt)
    opened = open_project(project)
    [root] = [one.parent for one in opened.runs_dir.glob("*/manifest.json")]
    result = asyncio.run(resume(root, opened))
    assert result.outcome is StageStatus.SUCCESS, result.reason
    log = git(project, "show", f"attractor/run/{result.run_id}:log")
    assert log == "line\n" * 3


def test_R3_a_replay_waits_the_same(tmp_path: Path) -> None:
    names = ["a", "b"]
    nodes = [node(one, max_retries=3, retry_policy="linear") for one in names]
    whole = graph([start(), *nodes, end()], chain("start", *names, "exit"), on_failure="continue")

    def waits(root: Path, *, run_id: str = RUN_ID) -> list[Json]:
        create_run_directory(root, manifest(whole, run_id=run_id), "digraph Test {}")
        place = Workplace(root, whole, dict.fromkeys(names, RETRY))
        place.clock = clock = ManualClock()

        async def walk() -> None:
            walking = asyncio.create_task(place.walk())
            while not walking.done():
                sleeping = asyncio.create_task(clock.until_asleep())
                await asyncio.wait([walking, sleeping], return_when=asyncio.FIRST_COMPLETED)
                sleeping.cancel()
                await clock.turn(timedelta(seconds=1))

        asyncio.run(walk())
        return [one.data["delay"] for one in place.events("StageRetrying")]

    found = waits(tmp_path / "first")
    assert found == waits(tmp_path / "replay")
    # By run, node and attempt: all names differ.
    assert len(set(map(str, [*found, *waits(tmp_path / "other", run_id=f"{RUN_ID[:-1]}1")]))) == 12


COUNTS: list[tuple[dict[str, Plain], dict[str, Plain], int]] = [
    ({}, {}, 1),
    ({"retry_policy": "none"}, {}, 1),
    ({"retry_policy": "none"}, {"default_max_retries": 2}, 1),
    ({"retry_policy": "linear"}, {}, 3),
    ({}, {"retry_policy": "linear"}, 3),
    ({"retry_policy": "linear", "max_retries": 4}, {}, 5),
    ({"retry_policy": "linear", "max_retries": 0}, {}, 1),
    ({"max_retries": 0}, {"default_max_retries": 3}, 1),
    ({"retry_policy": "linear"}, {"default_max_retries": 1}, 2),
    ({"retry_policy": "standard"}, {}, 5),
    ({"max_retries": 3}, {}, 4),
    ({"max_retries": -1}, {}, 1),
    ({"max_retries": "2"}, {}, 3),
    ({}, {"default_max_retries": 2}, 3),
    ({}, {"default_max_retry": 2}, 3),
]


@table(("own", "whole", "attempts"), COUNTS)
def test_R3_max_retries_counts_and_a_policy_alone_counts_too(
    own: dict[str, Plain], whole: dict[str, Plain], attempts: int
) -> None:
    here = node("a", **own)
    assert retry_policy(here, graph([here], [], **whole)).max_attempts == attempts


CALLS = uses(use("shell", {"command": "seq 30"}))
LATER = uses(use("report_outcome", {"outcome": "retry", "failure_reason": "no disk"}))
REFUSED = uses(use("report_outcome", {"outcome": "maybe"}))
OFFER = 'work [prompt="Do it", max_retries=1{}]'
CRASH = "echo one >&2; echo two >&2; exit 7"


@table(
    ("node", "backend", "message"),
    [
        ("", [failure("no disk")], ", its files are left: no disk"),
        (", type=prompt", [failure("no disk")], ": no disk"),
        (
            "",
            (CALLS, LATER, says("Later.")),
            ", its files are left: no disk\nThe last lines of its last tool call (shell):\n    2",
        ),
        (
            "",
            (REFUSED, REFUSED, says("Hm.")),
            ", its files are left: invalid report: Invalid arguments",
        ),
        (", type=prompt, goal_gate=true, require_verdict=true", (says("Yes."),), ": no_verdict"),
        ("", CRASH, ", its files are left: command ended with exit status 7: one two"),
    ],
)
def test_R3_further_attempt_is_told_how_the_last_one_ended(
    tmp_path: Path, node: str, backend: str | list[Outcome | str] | tuple[Answer, ...], message: str
) -> None:
    text = between("retry_policy=none", OFFER.format(node), "start -> work -> exit")
    environ = environ_for(tmp_path)
    if isinstance(backend, str):
        (project_in(tmp_path) / "agent.sh").write_text(backend)
        settings = '[backends.command]\nrun = "bash agent.sh"\n'
        (project_in(tmp_path) / "attractor.toml").write_text(settings)
        result = run(tmp_path, text, backend="command")
    elif isinstance(backend, list):
        result = run(tmp_path, text, backend=ScriptedBackend(work=backend))
    else:
        with in_background(ProviderTwin(script(*backend))) as twin:
            environ |= twin.environ()
            model = MODELS["openai"]
            result = run(tmp_path, text, backend="agent", model=model, environ=environ)
    first = (result.directory / "work" / "history" / "1.1" / "prompt.md").read_text()
    second = (result.directory / "work" / "prompt.md").read_text()
    assert "This is attempt" not in first
    assert f"This is attempt 2 of this task. Attempt 1 ended without success{message}" in second


def test_R3_repeated_attempt_is_told_how_the_last_one_ended(tmp_path: Path) -> None:
    messages: list[str] = []

    async def die_once(stage: Stage) -> Outcome:
        messages.append(stage.last_attempt)
        if stage.attempt == 1:
            return FAIL
        if len(messages) == 2:
            raise KeyboardInterrupt
        return success()

    whole = graph(
        [start(), node("a", max_retries=1, retry_policy="none"), end()],
        chain("start", "a", "exit"),
    )
    place = Workplace(tmp_path / "run", whole, {"a": die_once})
    with pytest.raises(KeyboardInterrupt):
        place.run()
    assert place.run().outcome is StageStatus.SUCCESS
    assert messages[0] == ""
    assert messages[1] == messages[2] != ""


REPORTS = Answer(tool_calls=(use("report_outcome", {"outcome": "retry", "notes": "later"}),))
BUSY = Answer.model_validate({"fault": {"kind": "status", "status": 429, "retry_after": "1ms"}})
BOUNDED = between(
    "graph [retry_target=work, max_goal_gate_redirects=1, retry_policy=none]",
    "work [prompt=Work, goal_gate=true, max_retries=1]",
    "start -> work -> exit",
)


# Two visits of two attempts; the twin is busy once for each prompt. A budget covers all of them.
@table(("tokens", "begun", "repeated"), [(10**6, [1, 2, 1, 2], 4), (1, [1], 1)])
def test_R3_retries_of_client_stage_and_gate_are_bounded_together_and_each_is_an_event(
    tmp_path: Path, tokens: int, begun: list[int], repeated: int
) -> None:
    rules = (
        Rule(when=When(step=0, attempt=1), answer=BUSY),
        Rule(when=When(step=0), answer=REPORTS),
        Rule(when=When(step=1), answer=Answer(text="Later.")),
    )
    with in_background(ProviderTwin(Script(rules=rules))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        model = MODELS["openai"]
        result = run(
            tmp_path, BOUNDED, backend="agent", model=model, environ=environ, max_tokens=tokens
        )
        sent = len(model_requests(twin))
    attempts = [one.attempt for one in events(result, "StageStarted") if one.node == "work"]
    warnings = [str(one.data) for one in events(result, "WARNING")]
    retried = [one for one in warnings if "next attempt in" in one]
    assert (attempts, len(retried)) == (begun, repeated)
    assert sent == len(retried) + len(events(result, "ASSISTANT_TEXT_END"))
