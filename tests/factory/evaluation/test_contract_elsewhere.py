"""Trials that another machine plays count as those played here, whichever process dies when."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import AttractorError, Refused, VerificationError
from attractor.engine.outcome import Usage
from attractor.engine.run_folder.result import RunResult
from attractor.environments.environment import Promises
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluation.elsewhere import (
    Happened,
    SentTrials,
    TrialLine,
    TrialLines,
    read_lines,
)
from attractor.factory.evaluation.trial_player import play_holdouts
from attractor.factory.history.trials import EvaluationId
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject, TrialsElsewhere
from attractor.factory.operations.evaluate import (
    ask_gate,
    judge_again,
    replay_cut,
    request_evaluation,
)
from attractor.factory.operations.race import orders_to
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.scenarios.evaluation import TrialKey
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import SuiteSettings
from attractor.scenarios.suite_setup import SetupResult
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.engine.runs import read_events
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.factory.test_rubrics import DOWN, make_judged_flow
from tests.needs import needs_sandbox
from tests.scenarios.suites import SUITE
from tests.scenarios.test_judge import rule, script, vote

TRIALS = 3
LINES = 2 * TRIALS


class Died(AttractorError):
    """A process died in this moment."""


@dataclass
class Another:
    """Another machine: its processes die after some lines, and this one after it recorded some."""

    folder: Path
    dies_after: int = sys.maxsize
    recorded: int = sys.maxsize
    sent: bytes = b""
    fleet: str = "one"

    async def fleet_id(self) -> str:
        return self.fleet

    @property
    def file(self) -> Path:
        return self.folder / "trials.jsonl"

    async def send(
        self, opened: OpenProject, begun: BegunRun, sealed: SealedSuite, name: str, sent: bytes
    ) -> None:
        assert name.startswith(f"{begun.run.manifest.run_id}.evaluation.1.")
        self.sent = sent
        dies_after, self.dies_after = self.dies_after, sys.maxsize
        try:
            await self._play(begun, sealed, dies_after)
        except Died:
            await self._play(begun, sealed, sys.maxsize)

    async def _play(self, begun: BegunRun, sealed: SealedSuite, most: int) -> None:
        def keep(used: Usage, ends_trial: bool) -> None:
            if len(read_lines(self.file.read_bytes())) >= most:
                raise Died("the process of the trials died")

        sent = SentTrials.from_bytes(self.sent)
        sealed = sent.seeded(sealed)
        log = TrialLines(self.file, sent, sealed.suite.settings, SystemClock(), keep)
        set_up = partial(log.keep_setup, self.folder)
        earlier = log.earlier()
        await play_holdouts(begun, sealed, log, earlier, keep=set_up, before_trial=lambda: None)

    async def stop(self, name: str) -> bytes:
        return self.file.read_bytes()

    async def follow(self, name: str) -> AsyncIterator[bytes]:
        content = self.file.read_bytes() if self.file.exists() else b""
        recorded, self.recorded = self.recorded, sys.maxsize
        lines = content.splitlines(keepends=True)
        yield b"".join(lines[:recorded])
        if recorded < len(lines):
            raise Died("the process with the ledger died")


def with_another(
    flow: Flow, folder: Path, dies_after: int = sys.maxsize, recorded: int = sys.maxsize
) -> Flow:
    folder.mkdir()
    another: TrialsElsewhere = Another(folder, dies_after, recorded)
    return replace(flow, opened=replace(flow.opened, elsewhere=lambda: another))


def evaluate(flow: Flow, result: RunResult) -> RunResult:
    """Evaluate a run; after the death of this process, in another one."""
    try:
        return flow.resume(result)
    except Died:
        return flow.resume(result)


def happened(result: RunResult) -> Counter[str]:
    types = [event.type for event in read_events(result.directory)]
    return Counter(type_ for type_ in types if type_.startswith("Trial"))


def test_further_evaluation_of_a_tree_has_seeds_of_its_own_here_and_elsewhere(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path, suite=f"{SUITE}[gate]\nmax_evaluations = 4\n")
    alone = flow.launch()
    [first] = seeds(flow, alone)
    assert first == TrialKey("made", 1).seed(0)
    [second] = seeds(flow, flow.launch())
    # Its process dies in the trial, which a person lets it play again.
    result = flow.launch(evaluate=False)
    another = with_another(flow, tmp_path / "another", dies_after=1)
    evaluate(another, result)
    [cut] = seeds(flow, result)
    replay_cut(result.directory, another.opened, by="ann", rationale="It died.")
    (tmp_path / "another" / "trials.jsonl").unlink()
    evaluate(another, result)
    [third] = seeds(flow, result)
    assert cut == third
    assert len({first, second, third}) == 3
    request_evaluation(alone.directory, flow.opened, by="ann")
    flow.resume(alone)
    [fourth] = seeds(flow, alone, number=2)
    assert fourth not in (first, second, third)
    lines = [one.data for one in flow.opened.ledger.entries() if one.kind == "evaluated"]
    assert [one.get("of_tree") for one in lines] == [None, 2, 3, 4]


def seeds(flow: Flow, result: RunResult, number: int = 1) -> list[int]:
    evaluation = EvaluationId(result.run_id, number, result.tree)
    return [one.seed for one in flow.evaluator.results.all_of(evaluation)]


@pytest.mark.parametrize("dies_after", range(1, LINES + 1))
def test_trial_in_flight_is_cut_and_no_trial_is_played_twice(
    tmp_path: Path, dies_after: int
) -> None:
    flow = make_flow(tmp_path, suite=f"{SUITE}[trials]\nn = {TRIALS}\n")
    flow = with_another(flow, tmp_path / "other", dies_after=dies_after, recorded=dies_after)
    result = flow.launch(evaluate=False)
    evaluate(flow, result)
    # After an odd number of lines, a trial was in flight.
    cut = dies_after % 2
    kinds = {"TrialsSent": 1, "TrialStarted": TRIALS, "TrialCompleted": TRIALS - cut}
    assert happened(result) == Counter({**kinds, "TrialCut": cut})
    assert flow.rules(result) == ["infra_errors"] * cut


def test_another_machine_asks_the_judge_again(tmp_path: Path, provider_twin: StartTwin) -> None:
    down = make_judged_flow(tmp_path, dict(provider_twin(script(DOWN)).environ()))
    flow = with_another(down, tmp_path / "other")
    result = flow.launch()
    assert happened(result) == Counter(TrialsSent=1, TrialStarted=1, TrialUnjudged=1)
    back = dict(provider_twin(script(rule(vote(0.9)))).environ())
    up = down.adjusted(environ={**flow.machine.environ, **back})
    judge_again(result.directory, up.opened, by="ann")
    with_another(up, tmp_path / "again").resume(result)
    kinds = happened(result)
    assert (kinds["TrialsSent"], kinds["TrialStarted"], kinds["TrialCompleted"]) == (2, 1, 1)
    assert (flow.report(result).played, flow.report(result).satisfied) == (1, 1)
    [evaluation] = ask_gate(result.directory, up.opened)[1].evaluations
    [trial] = evaluation.results
    assert trial.cost_usd > 0


def test_line_about_an_unknown_trial_is_refused(tmp_path: Path) -> None:
    flow = with_another(make_flow(tmp_path), tmp_path / "other", recorded=0)
    result = flow.launch(evaluate=False)
    with pytest.raises(Died):
        flow.resume(result)
    [file] = (tmp_path / "other").iterdir()
    line = TrialLine(happened=Happened.STARTED, seconds=0.0, key=TrialKey("made", 1))
    text = file.read_text().replace('"scenario":"made"', '"scenario":"other"')
    assert read_lines(file.read_bytes())[0].key == line.key
    file.write_text(text)
    with pytest.raises(VerificationError, match="trial 1 of a scenario that the suite lacks"):
        flow.resume(result)


def test_another_fleet_is_refused(tmp_path: Path) -> None:
    another = Another(tmp_path, recorded=1)
    flow = make_flow(tmp_path)
    flow = replace(flow, opened=replace(flow.opened, elsewhere=lambda: another))
    result = flow.launch(evaluate=False)
    with pytest.raises(Died):
        flow.resume(result)
    another.fleet = "other"
    with pytest.raises(Refused, match=r"were sent to another fleet \(one\)"):
        flow.resume(result)
    another.fleet = "one"
    flow.resume(result)
    assert happened(result) == Counter(TrialsSent=1, TrialStarted=1, TrialCompleted=1)


@needs_sandbox
def test_each_process_elsewhere_executes_the_setup(tmp_path: Path) -> None:
    setup = '[setup]\nrun = ["cp made.txt built.txt"]\n'
    flow = make_flow(tmp_path, suite=f"{SUITE}[trials]\nn = {TRIALS}\n{setup}")
    # After its setup, and the start of the first trial.
    flow = with_another(flow, tmp_path / "other", dies_after=3)
    result = flow.launch(sandbox="bubblewrap", profile="strict")
    assert happened(result) == Counter(TrialsSent=1, TrialStarted=3, TrialCompleted=2, TrialCut=1)
    types = Counter(event.type for event in read_events(result.directory))
    assert (types["SuiteSetupStarted"], types["SuiteSetupCompleted"]) == (2, 2)
    [done] = flow.report(result).setups
    assert done.tree


def test_order_to_play_cut_trials_again_waits_for_another_machine(tmp_path: Path) -> None:
    flow = with_another(make_flow(tmp_path), tmp_path / "other", recorded=1)
    result = flow.launch(evaluate=False)
    with pytest.raises(Died):
        flow.resume(result)
    with pytest.raises(NotDecidable, match="has not ended"):
        replay_cut(result.directory, flow.opened, by="ann", rationale="it was cut")
    flow.resume(result)
    assert happened(result) == Counter(TrialsSent=1, TrialStarted=1, TrialCompleted=1)


def sent_away(tmp_path: Path) -> tuple[Flow, Flow, RunResult]:
    """Return a flow, the same with another machine, and a run; its failed trial is played there."""
    own = make_flow(tmp_path, made=HOLDOUT.format(wanted="other"))
    flow = with_another(own, tmp_path / "other", recorded=0)
    result = flow.launch(evaluate=False)
    with pytest.raises(Died):
        flow.resume(result)
    return own, flow, result


def test_trials_that_were_sent_away_are_not_played_here(tmp_path: Path) -> None:
    own, flow, result = sent_away(tmp_path)
    with pytest.raises(Refused, match="were sent to the pool evaluate"):
        own.resume(result)
    assert happened(result) == Counter(TrialsSent=1)
    flow.resume(result)
    assert happened(result) == Counter(TrialsSent=1, TrialStarted=1, TrialCompleted=1)


def test_trials_of_a_run_directory_elsewhere_are_played_here(tmp_path: Path) -> None:
    flow = with_another(make_flow(tmp_path), tmp_path / "other")
    result = flow.launch(root=tmp_path / "apart")
    assert happened(result) == Counter(TrialStarted=1, TrialCompleted=1)


@pytest.mark.anyio
async def test_setup_counts_only_starts_without_an_end(tmp_path: Path) -> None:
    sent = SentTrials(seal="", promises=Promises())
    settings = SuiteSettings(name="todo", pipeline=("linear",))
    most = settings.trials.infra_retries + 1
    dies = False

    async def set_up(kept: Path, started: Callable[[], None]) -> SetupResult:
        started()
        if dies:
            raise Died("the process died in the setup")
        return SetupResult()

    async def set_up_in_a_process() -> SetupResult:
        file = tmp_path / "trials.jsonl"
        log = TrialLines(file, sent, settings, SystemClock(), lambda used, ends_trial: None)
        async with log.keep_setup(tmp_path, set_up) as (_, done):
            return done

    # Each worker that leaves after the setup lets the next one execute it.
    assert {await set_up_in_a_process() for _ in range(most + 1)} == {SetupResult(starts=1)}
    dies = True
    for _ in range(most):
        with pytest.raises(Died):
            await set_up_in_a_process()
    failed = await set_up_in_a_process()
    assert "infra_retries allows no further start" in failed.failure
    dies = False
    # A setup that has failed is not executed again, also if trials are sent again.
    assert await set_up_in_a_process() == failed
    (tmp_path / "trials.jsonl").unlink()
    sent = replace(sent, setup=failed)
    assert await set_up_in_a_process() == failed


def test_cancel_records_the_failed_trials_of_another_machine(tmp_path: Path) -> None:
    own, flow, result = sent_away(tmp_path)
    with pytest.raises(Refused, match="were sent to the pool evaluate"):
        orders_to(result.directory, own.opened, "ann").cancel("no")
    assert orders_to(result.directory, flow.opened, "ann").cancel("no").is_taken
    assert happened(result) == Counter(TrialsSent=1, TrialStarted=1, TrialCompleted=1)
    kinds = [entry.kind for entry in flow.opened.ledger.entries(result.run_id)]
    assert LineKind.TRIAL_FAILED in kinds
