"""Races of real processes: the right attempt wins, also after kills; the losers are canceled."""

import asyncio
import getpass
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from attractor import __version__
from attractor.base.errors import ExitCode, NoGo
from attractor.base.locks import holder_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.decisions.decide import Decision, DecisionKind, decide
from attractor.factory.decisions.lock import lock_run
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.decide import decide_run
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.race import begin_race, end_race, look
from attractor.factory.operations.race_process import walk_attempt
from attractor.factory.races import Race, races_in
from attractor.factory.resources.profiles import make_profile
from attractor.records.request import RunRequest
from attractor.records.summary import summarize
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says, use, uses
from tests.backends import model_caller
from tests.cli.git_desk import GitDesk, events
from tests.counts import count
from tests.factory.flows import ANN, HOLDOUT, REASON
from tests.factory.resources.stores import register
from tests.patience import wait_until
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE, write_suite

PIPELINE = """
digraph linear {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [prompt="Make it"]
    start -> make -> exit
}
"""
ASKS = PIPELINE.replace(
    "start -> make -> exit",
    'ask [shape=hexagon, label="Ready?"]; start -> make -> ask; ask -> exit [label="Yes"]',
)
AGENT = """cat > /dev/null
sleep PAUSE
case $ATTRACTOR_MODEL in
  *opus*) echo made > made.txt ;;
  *sonnet*) echo made > made.txt; seq 50 > more.txt ;;
  *haiku*) echo bad > made.txt ;;
esac
echo '{"outcome": "success"}' > $ATTRACTOR_STATUS_FILE
"""
SETTINGS = '[backends.command]\nrun = "bash agent.sh"\nprovider = "anthropic"\n'
WORDY, WRONG, RIGHT = "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5"
MODELS = ("--model", WORDY, "--model", WRONG, "--model", RIGHT)
JUDGED = ("--suite", "todo", "--profile", "lenient", "--sandbox", "none")
KEY = {"ANTHROPIC_API_KEY": "sk-of-the-test"}
JUDGES = SUITE.replace('"linear"', '["linear", "feature"]')
KILLS = count(ci=3, full=20)
# Only the right model ends soon.
FIRST_GO = AGENT.replace("sleep PAUSE", "case $ATTRACTOR_MODEL in *opus*) ;; *) sleep 60 ;; esac")
AGAIN = 'make -> make [condition="outcome=fail", loop_restart=true]'
RESTARTS = PIPELINE.replace("}", f"    {AGAIN}\n}}")
# Only the first attempt restarts.
ONCE = """echo made > made.txt
mkdir FOLDER/failed 2> /dev/null && outcome=fail || outcome=success
echo '{"outcome": "'$outcome'"}' > $ATTRACTOR_STATUS_FILE
"""

STOPS = (
    *("--attempts", "3", "--with", "command", "--at-most", "2", "--stop", "first_go"),
    *("--model", WORDY, "--model", RIGHT, "--model", WRONG),
)


class RaceDesk(GitDesk):
    """A project with a suite, and an agent whose work depends on its model."""

    opened: OpenProject
    twin: ProviderTwin | None = None

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, **KEY, **(self.twin.environ() if self.twin else {})}

    def begin_project(
        self,
        pipeline: str = PIPELINE,
        *,
        pause: str = "0",
        suite: str = "",
        agent: str = AGENT,
        look: str = "cat made.txt",
    ) -> None:
        agent = agent.replace("PAUSE", pause)
        self.make(pipeline, **{"agent.sh": agent, "attractor.toml": SETTINGS})
        self.opened = open_project(self.project, self.environ)
        now = self.opened.now()
        made = HOLDOUT.format(wanted="made").replace("cat made.txt", look)
        folder = write_suite(self.folder / "suite", suite=JUDGES + suite, made=made)
        register(self.opened.suites, folder, now=now)
        profile = make_profile("lenient", ("isolation_unverified",))
        self.opened.profiles.create(profile, by="ann", now=now)

    def lines(self, kind: LineKind) -> list[LedgerEntry]:
        return [one for one in self.opened.ledger.entries() if one.kind == kind]

    def race_of_two(self) -> Race:
        """Record a race whose attempts have not begun."""
        request = RunRequest(
            file=self.project / "pipeline.dot",
            backend="command",
            model=RIGHT,
            sandbox="none",
            suite="todo",
            profile="lenient",
        )
        work = begin_race([request], self.opened, attempts=2, at_once=2, by="ann")
        return asyncio.run(work)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RaceDesk]:
    desk = RaceDesk(tmp_path)
    yield desk
    desk.end()


def approve(root: Path, opened: OpenProject) -> LedgerEntry:
    return decide_run(root, opened, Decision(DecisionKind.APPROVED, ANN, REASON))


def roots_of(shown: Any) -> dict[str, Path]:
    return {one["run_id"]: Path(one["directory"]) for one in shown["attempts"]}


def test_right_one_of_six_attempts_wins_and_the_others_are_canceled(desk: RaceDesk) -> None:
    desk.begin_project()
    words = ("--attempts", "6", "--with", "simulate,command", "--at-most", "3")
    done = desk.do("race", "pipeline.dot", *words, *MODELS, *JUDGED)
    assert done.returncode == ExitCode.DONE, done.stderr
    shown = desk.json("race", "show")
    by_run = {one["run_id"]: one for one in shown["attempts"]}
    assert by_run[shown["winner"]]["model"] == RIGHT
    ranked = [[by_run[one]["verdict"] for one in place["run_ids"]] for place in shown["ranking"]]
    assert ranked == [["go"], ["go"], ["no-go"] * len(ranked[2]), ["no-go"] * len(ranked[3])]
    costs = [one["verdict_cost"] for one in shown["attempts"]]
    line = f"cost of the verdicts: {sum(cost['trials'] for cost in costs)} trials in "
    assert line in desk.do("race", "show").stdout
    own = desk.json("report", shown["winner"])["verdict"]
    assert own == by_run[shown["winner"]]["verdict_cost"]
    assert min(own["trials"], own["processor_seconds"]) > 0
    [equal] = [place["run_ids"] for place in shown["ranking"] if len(place["run_ids"]) == 3]
    assert {by_run[one]["backend"] for one in equal} == {"simulate"}
    begun = {one.run_id for one in desk.lines(LineKind.EVALUATION_BEGUN)}
    assert len(begun & set(equal)) == 1
    roots, opened = roots_of(shown), desk.opened
    with pytest.raises(NoGo):
        approve(roots[equal[0]], opened)
    decided = approve(roots[shown["winner"]], opened)
    lost = [one for one in by_run if one != shown["winner"]]
    assert decided.data["race"] == {"race": shown["race_id"], "rank": 1, "lost": lost}
    for one in lost:
        ended = summarize(roots[one])
        reason = f"canceled by ann: race: lost to {shown['winner']}"
        assert (ended.status, ended.reason) == ("canceled", reason)
    assert desk.stores() == {shown["winner"]}
    file = desk.folder / "race.html"
    table = desk.do("race", "show", "--html", str(file)).stdout
    assert table == desk.do("race").stdout
    assert table.count("canceled") == len(lost)
    assert f"winner: {shown['winner']}" in table
    assert file.read_text().count("<td") >= 6


def edits(model: str, command: str) -> Sequence[Rule]:
    """Return the rules of a model that types a command, and reports a success."""
    tools = use("shell", {"command": command}), use("report_outcome", {"outcome": "success"})
    answers = (*map(uses, tools), says("Done."))
    return [Rule(when=When(model=model, step=step), answer=one) for step, one in enumerate(answers)]


def test_right_one_of_six_attempts_over_three_backends_wins(desk: RaceDesk) -> None:
    right, wordy = edits(RIGHT, "echo bad > made.txt"), "echo made > made.txt; seq 9 > more.txt"
    with in_background(ProviderTwin(Script(rules=(*right, *edits(WRONG, wordy))))) as desk.twin:
        desk.begin_project()
        words = ("--attempts", "6", "--with", "agent,simulate,command", "--at-most", "3")
        models = ("--model", RIGHT, "--model", WRONG)
        done = desk.do("race", "pipeline.dot", *words, *models, *JUDGED)
    assert done.returncode == ExitCode.DONE, done.stderr
    shown = desk.json("race", "show")
    by_run = {one["run_id"]: one for one in shown["attempts"]}
    ranked = [by_run[place["run_ids"][0]] for place in shown["ranking"]]
    won = [(one["backend"], one["model"], one["verdict"]) for one in ranked[:2]]
    assert won == [("command", RIGHT, "go"), ("agent", WRONG, "go")]
    assert {one["verdict"] for one in ranked[2:]} == {"no-go"}
    assert [one.data["winner"] for one in desk.lines(LineKind.RACE_ENDED)] == [shown["winner"]]
    assert shown["winner"] == ranked[0]["run_id"]


def test_race_names_the_models_of_requests_otherwise_those_asked_for(desk: RaceDesk) -> None:
    caller = f"{sys.executable} {Path(model_caller.__file__)} anthropic 1"
    work = AGENT.replace("*sonnet*)", f"*opus*) {caller} ;;\n  *sonnet*)", 1)
    with in_background(ProviderTwin(Script(rules=(Rule(answer=says("Yes.")),)))) as desk.twin:
        desk.begin_project(agent=work.replace("  *opus*) echo made > made.txt ;;\n", ""))
        words = ("--attempts", "2", "--with", f"command:opus,command:{WORDY}")
        done = desk.do("race", "pipeline.dot", *words, *JUDGED)
    asked = f"command {WORDY} (asked for)"
    for table in (done.stdout, desk.do("race", "show").stdout):
        assert f"  command {model_caller.MODELS['anthropic']}  " in table, done.stderr
        assert asked in table
    [begun], [ended] = desk.lines(LineKind.RACE_BEGUN), desk.lines(LineKind.RACE_ENDED)
    assert [one["model"] for one in records(begun.data["attempts"])] == ["opus", WORDY]
    seen = [one["models"] for one in records(ended.data["results"])]
    assert seen == [[model_caller.MODELS["anthropic"]], []]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--with", "command", "--model", "gpt-5.2"), "the model 'gpt-5.2' of openai"),
        (("--with", f"simulate,command:{RIGHT}", "--model", "gpt-5.2"), "has no effect"),
    ],
)
def test_race_with_a_model_that_no_attempt_would_use_is_refused(
    desk: RaceDesk, words: Sequence[str], reason: str
) -> None:
    desk.begin_project()
    done = desk.do("race", "pipeline.dot", "--attempts", "2", *words, *JUDGED)
    assert reason in done.stderr
    assert "--with command:MODEL" in done.stderr or "--with codex:MODEL" in done.stderr
    assert not desk.lines(LineKind.RACE_BEGUN)


def records(value: Any) -> list[dict[str, Any]]:
    return value


def test_first_go_ends_the_race_and_cancels_the_others(desk: RaceDesk) -> None:
    desk.begin_project(agent=FIRST_GO)
    done = desk.do("race", "pipeline.dot", *STOPS, *JUDGED)
    assert done.returncode == ExitCode.DONE, done.stderr
    require_first_go(desk)
    assert "time decided: the first go ended the race" in done.stdout
    assert desk.do("race", "resume").stdout == done.stdout
    desk.do("race", "show", "--html", str(file := desk.folder / "race.html"))
    assert "The first go ends the race, so time decides" in file.read_text()
    slow, won, _ = desk.json("race", "show")["attempts"]
    reason = f"race: {won['run_id']} had the first go"
    assert summarize(Path(slow["directory"])).reason.endswith(reason)
    decided = approve(Path(won["directory"]), desk.opened)
    assert isinstance(decided.data["race"], dict)
    assert decided.data["race"]["rank"] == 1


def test_killed_race_that_ends_with_the_first_go_continues(desk: RaceDesk) -> None:
    desk.begin_project(agent=FIRST_GO)
    process = desk.begin("race", "pipeline.dot", *STOPS, *JUDGED)
    wait_until(lambda: desk.runs() and summarize(desk.runs()[0]).stage)
    process.kill()
    process.wait()
    done = desk.do("race", "resume")
    assert done.returncode == ExitCode.DONE, done.stderr
    require_first_go(desk)


def require_first_go(desk: RaceDesk) -> None:
    """Require that the right attempt won, no other one was judged, and all count."""
    [ended], shown = desk.lines(LineKind.RACE_ENDED), desk.json("race", "show")
    assert ended.data["time_decided"] is shown["time_decided"] is True
    assert (shown["stop"], shown["counted"]) == ("first_go", 3)
    slow, won, last = shown["attempts"]
    assert (slow["status"], won["verdict"], won["run_id"]) == ("canceled", "go", shown["winner"])
    assert last["status"] in ("canceled", "not begun")
    assert [one["verdict"] for one in (slow, last)] == ["", ""]
    [race] = races_in(desk.opened.ledger.entries())
    begun = desk.runs()
    for attempt in race.attempts:
        walk_attempt(attempt, race, desk.opened)
    assert desk.runs() == begun


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_race_continues_with_one_line_of_each_kind(desk: RaceDesk, seed: int) -> None:
    desk.begin_project(pause="0.3")
    words = ("pipeline.dot", "--attempts", "3", "--with", "command", "--at-most", "2")
    process = desk.begin("race", *words, *MODELS, *JUDGED)
    moment = random.Random(seed)
    wait_until(lambda: desk.lines(LineKind.RACE_BEGUN))
    time.sleep(moment.uniform(0, 4))
    process.kill()
    process.wait()
    if moment.random() < 0.5:
        for lock in desk.state.glob("races/*/*.lock"):
            if holder := holder_of(lock):
                with suppress(ProcessLookupError):
                    os.kill(holder.pid, signal.SIGKILL)
    while (done := desk.do("race", "resume")).returncode == int(ExitCode.UNFINISHED):
        order = ("--replay-cut", "--reason", "it was killed")
        assert any(desk.do("evaluate", one.name, *order).returncode != 2 for one in desk.runs())
    assert done.returncode == ExitCode.DONE, done.stdout + done.stderr
    [begun], [ended] = desk.lines(LineKind.RACE_BEGUN), desk.lines(LineKind.RACE_ENDED)
    results = ended.data["results"]
    assert isinstance(results, list)
    found = [(one["verdict"], one["changed_lines"]) for one in results if isinstance(one, dict)]
    assert found == [("go", 51), ("no-go", 1), ("go", 1)]
    attempts = begun.data["attempts"]
    assert isinstance(attempts, list)
    assert isinstance(attempts[2], dict)
    assert ended.data["winner"] == attempts[2]["run_id"]
    assert ended.data["by"] == begun.data["by"] != ""


def test_race_is_refused_before_it_counts(desk: RaceDesk) -> None:
    desk.begin_project(suite="[gate]\nmin_lower_bound = 0.03\nmax_attempts_per_version = 4\n")
    words = ("race", "pipeline.dot", "--with", "command", *JUDGED, "--attempts")
    for attempts, fault in ("2", "trials are needed"), ("5", "max_attempts_per_version"):
        done = desk.do(*words, attempts)
        assert done.returncode == ExitCode.REFUSED, done.stderr
        assert fault in done.stderr
    done = desk.do("race", "pipeline.dot", "--attempts", "2", *MODELS, *JUDGED)
    assert "3 entrants need at least 3 attempts" in done.stderr
    assert desk.lines(LineKind.RACE_BEGUN) == []


def test_race_takes_what_run_takes(desk: RaceDesk) -> None:
    desk.begin_project()
    assert desk.do("pipeline", "register", "pipeline.dot").returncode == ExitCode.DONE
    options = ("--attempts", "2", "--with", "simulate", *JUDGED)
    for words in ["linear@1"], ["gallery:feature", "--input", "test=true"]:
        done = desk.do("race", *words, *options)
        assert (done.returncode, "no attempt has a go" in done.stdout) == (1, True), done.stderr
    options_of = read_manifest(RunDirectory(desk.runs()[-1])).options
    assert options_of["gallery"] == f"feature@{__version__}"
    refused = desk.do("race", "gallery:feature", *options)
    assert "no test command found" in refused.stderr
    for command in ["race", "linear@1", *options], ["actor", "spawn", "Do it"]:
        refused = desk.do(*command, "--max-cost-usd", "nan")
        assert "nan is not a finite number" in refused.stderr


def test_attempts_begin_with_the_commit_and_the_pipeline_of_the_race(desk: RaceDesk) -> None:
    desk.begin_project()
    race = desk.race_of_two()
    (desk.project / "readme.txt").write_text("changed\n")
    (desk.project / "pipeline.dot").write_text(ASKS)
    git(desk.project, "commit", "--quiet", "--all", "--message", "Go on")
    result = walk_attempt(race.attempts[0], race, desk.opened)
    assert result
    assert result.run_id == race.attempts[0].run_id
    manifest = read_manifest(RunDirectory(result.directory))
    assert manifest.base.commit == race.commit
    assert (manifest.suite, manifest.profile) == (race.suite, race.profile)
    again = walk_attempt(race.attempts[0], race, desk.opened)
    assert again
    assert (again.run_id, again.status) == (result.run_id, result.status)
    desk.do("fork", result.run_id, "make@1")
    _, judged = ask_gate(desk.runs()[-1], desk.opened)
    assert (judged.race, judged.attempts) == (race, 2)
    with pytest.raises(NotDecidable, match="attempt of race .* which has not ended"):
        approve(result.directory, desk.opened)
    other = desk.race_of_two()
    assert (race.counted, other.counted) == (2, 2)
    git(desk.project, "reset", "--quiet", "--hard", race.commit)
    assert desk.race_of_two().counted == 4


def test_race_ends_without_an_attempt_that_cannot_begin(desk: RaceDesk) -> None:
    desk.begin_project()
    race = desk.race_of_two()
    begun = walk_attempt(race.attempts[0], race, desk.opened)
    assert begun
    done = desk.do("profile", "retire", "lenient", "--reason", "nobody needs it")
    assert done.returncode == ExitCode.DONE, done.stderr
    done = desk.do("race", "resume")
    assert done.returncode == ExitCode.UNFINISHED
    assert f"attractor race end {race.race_id}" in done.stdout
    with pytest.raises(NotDecidable) as refused:
        approve(begun.directory, desk.opened)
    assert f"attractor race end {race.race_id}" in refused.value.hint
    for _ in range(2):
        done = desk.do("race", "end")
        assert done.returncode == ExitCode.DONE, done.stderr
        assert f"winner: {begun.run_id}" in done.stdout
    [ended] = desk.lines(LineKind.RACE_ENDED)
    results = ended.data["results"]
    assert isinstance(results, list)
    assert [one["status"] for one in results if isinstance(one, dict)][1:] == ["not begun"]
    assert (race.by, ended.data["by"]) == ("ann", getpass.getuser())
    assert walk_attempt(race.attempts[1], race, desk.opened) is None
    decided = approve(begun.directory, desk.opened)
    lost = [race.attempts[1].run_id]
    assert decided.data["race"] == {"race": race.race_id, "rank": 1, "lost": lost}
    assert f"approved; promote it: attractor promote {begun.run_id}" in desk.do("race").stdout
    git(desk.project, "branch", "other")
    assert desk.do("promote", begun.run_id, "--to", "other").returncode == ExitCode.DONE
    assert desk.do("race").stdout.endswith(f"winner: {begun.run_id}, promoted\n")


def test_race_with_an_attempt_that_waits_does_not_end(desk: RaceDesk) -> None:
    desk.begin_project(ASKS)
    race = desk.race_of_two()
    walk_attempt(race.attempts[0], race, desk.opened)
    done = desk.do("race", "end")
    assert done.returncode == ExitCode.UNFINISHED, done.stderr
    [run_id] = (root.name for root in desk.runs())
    again = f"attractor race end {race.race_id}"
    ways = f"attractor answer {run_id}, or attractor cancel {run_id}; then: {again}\n"
    assert done.stdout.endswith(f"attempts ask people ({run_id}). For each: {ways}")
    with lock_run(desk.runs()[0], desk.opened):
        done = desk.do("race", "end")
    assert done.returncode == ExitCode.UNFINISHED, done.stderr
    assert f"attempts still work ({run_id}). When they have ended: {again}; or" in done.stdout
    assert desk.lines(LineKind.RACE_ENDED) == []
    desk.do("cancel", race.attempts[0].run_id)
    done = desk.do("race", "end")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert "no attempt has a go" in done.stdout


def test_each_attempt_asks_people(desk: RaceDesk) -> None:
    desk.begin_project(ASKS)
    words = ("--attempts", "2", "--with", "command", "--model", RIGHT)
    done = desk.do("race", "pipeline.dot", *words, *JUDGED)
    assert done.returncode == ExitCode.UNFINISHED, done.stderr
    assert "each of the 2 attempts asks" in done.stderr
    [begun] = races_in(desk.opened.ledger.entries())
    views = asyncio.run(look(begun, desk.opened))
    assert [one.left.partition(":")[0] for one in views] == ["it asks a person"] * 2
    for root in desk.runs():
        desk.do("answer", root.name, "Yes")
    assert desk.do("race", "resume").returncode == ExitCode.DONE


def test_resume_cancels_the_losers_of_a_decision_whose_process_died(desk: RaceDesk) -> None:
    desk.begin_project()
    words = ("--attempts", "2", "--with", "command", "--model", RIGHT, "--model", WORDY)
    assert desk.do("race", "pipeline.dot", *words, *JUDGED).returncode == ExitCode.DONE
    won, lost = (Path(one["directory"]) for one in desk.json("race", "show")["attempts"])
    with lock_run(won, desk.opened) as run:
        decide(run, Evaluator(desk.opened), Decision(DecisionKind.APPROVED, ANN, REASON))
    assert summarize(lost).status == "awaiting_human"
    assert desk.do("race", "resume").returncode == ExitCode.DONE
    assert summarize(lost).status == "canceled"
    assert desk.stores() == {won.name}


def test_approval_cancels_only_the_losers_of_its_own_race(desk: RaceDesk) -> None:
    desk.begin_project()
    first = desk.race_of_two()
    won, lost = (walk_attempt(one, first, desk.opened) for one in first.attempts)
    assert won
    assert lost
    assert end_race(first, asyncio.run(look(first, desk.opened)), desk.opened)
    second = desk.race_of_two()
    equal = walk_attempt(second.attempts[0], second, desk.opened)
    assert equal
    _, judged = ask_gate(won.directory, desk.opened)
    assert judged.race == second
    decided = approve(won.directory, desk.opened)
    assert decided.data["race"] == {"race": first.race_id, "rank": 1, "lost": [lost.run_id]}
    ended = [summarize(one.directory).status for one in (won, lost, equal)]
    assert ended == ["approved", "canceled", "awaiting_human"]


def test_equal_trees_are_evaluated_once_also_of_a_restart_and_in_another_race(
    desk: RaceDesk,
) -> None:
    desk.begin_project(RESTARTS, agent=ONCE.replace("FOLDER", str(desk.folder)))
    first, second = desk.race_of_two(), desk.race_of_two()
    for race in first, second:
        for attempt in race.attempts:
            walk_attempt(attempt, race, desk.opened)
        for view in asyncio.run(look(race, desk.opened)):
            assert (view.result.verdict, view.result.played) == ("go", 1)
    [begun] = desk.lines(LineKind.EVALUATION_BEGUN)
    assert read_manifest(RunDirectory(desk.project / "runs" / begun.run_id)).restart == 1


def test_tree_is_evaluated_after_the_evaluation_of_an_equal_one_was_canceled(
    desk: RaceDesk,
) -> None:
    desk.begin_project(suite="[trials]\nn = 2\n", look="sleep 2; cat made.txt")
    words = ("--attempts", "2", "--at-most", "1", "--with", "command", "--model", RIGHT)
    process = desk.begin("race", "pipeline.dot", *words, *JUDGED)
    runs = desk.project / "runs"
    wait_until(
        lambda: any("TrialStarted" in one.read_text() for one in runs.glob("*/events.jsonl"))
    )
    process.send_signal(signal.SIGINT)
    process.wait()
    [canceled] = desk.runs()
    assert len(events(canceled, "TrialCompleted")) == 1
    assert desk.do("cancel", canceled.name).returncode == ExitCode.DONE
    done = desk.do("race", "resume")
    assert done.returncode == ExitCode.DONE, done.stdout + done.stderr
    [judged] = [one for one in desk.runs() if one != canceled]
    assert len(events(judged, "TrialCompleted")) == 2
    # No cancel hides a trial: those of both evaluations count.
    attempts = desk.json("race", "show")["attempts"]
    assert [one["played"] for one in attempts if one["verdict"]] == [3]
