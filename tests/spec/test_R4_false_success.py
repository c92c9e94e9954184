"""Rulings R4 and R8: no false success, over 200 replies of models on every wire."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor import Event
from attractor.agent.events import SessionConfig
from attractor.backends.agent import Agent
from attractor.backends.models import AgentParts
from attractor.backends.registry import BackendParts
from attractor.base.errors import Unavailable
from attractor.engine.outcome import StageStatus
from attractor.llm.client import Client
from attractor.llm.retry_policy import RetryPolicy
from attractor.records.event_lines import describe_event
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.places import finish, local
from tests.agent.twinned import MODELS, WIRES, says
from tests.counts import IS_FULL, count
from tests.handlers.stages import Play, edge, graph, node
from tests.spec.runs import between, environ_for, project_in, record, run
from tests.spec.unreliable_replies import ORDERS, Case, make_cases

DONE = (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS)
ALL = make_cases()
CHOSEN = ALL[:: count(ci=13, full=1)]
# In the small count, each wire gets another share of the cases.
PLAYED = {
    wire: CHOSEN if IS_FULL else CHOSEN[number :: len(WIRES)] for number, wire in enumerate(WIRES)
}
NO_RETRIES = SessionConfig(retry_policy=RetryPolicy(max_retries=0))


def prompt(number: int) -> str:
    return f"Case {number:03}."


def script(cases: Sequence[Case]) -> Script:
    """Return the answers to all cases, which differ by their prompts."""
    rules = [
        Rule(when=When(first_user=prompt(number), step=step), answer=answer)
        for number, case in enumerate(cases)
        for step, answer in enumerate(case.answers)
    ]
    return Script(rules=(*rules, Rule(answer=says("That is all."))))


def plant_orders(folder: Path) -> None:
    for name, text in ORDERS.items():
        (folder / name).write_text(text)


def ends(wire: str, folder: Path, *, is_gate: bool) -> list[tuple[Case, object, bool]]:
    """Return each case with its status (or the error) and whether the success was assumed."""

    async def work(twin: ProviderTwin) -> list[tuple[Case, object, bool]]:
        async with Client.from_env(twin.environ()) as client:
            backend = Agent(BackendParts(agent=AgentParts(client=client, config=NO_RETRIES)))
            found: list[tuple[Case, object, bool]] = []
            for number, case in enumerate(PLAYED[wire]):
                work = node(
                    "work",
                    prompt=prompt(number),
                    llm_model=MODELS[wire],
                    goal_gate=is_gate,
                )
                pipeline = graph(work, edge("work", "a", label="Yes"), edge("work", "b"))
                play = Play(pipeline, at="work", backend=backend, environment=local(folder))
                try:
                    status: object = (await play.execute()).status
                except Unavailable as error:
                    status = error
                found.append((case, status, "OutcomeAssumed" in play.events.kinds))
            return found

    plant_orders(folder)
    with in_background(ProviderTwin(script(PLAYED[wire]))) as twin:
        return finish(work(twin), within_s=600)


def test_table_has_all_kinds_of_replies() -> None:
    assert len(ALL) >= 200
    assert len({case.kind for cases in PLAYED.values() for case in cases}) >= 10
    assert {case.reported for case in ALL} > {None, StageStatus.SUCCESS, StageStatus.FAIL}


@pytest.mark.parametrize("wire", WIRES)
def test_R4_no_false_success_at_a_goal_gate_of_a_coding_agent(tmp_path: Path, wire: str) -> None:
    found = ends(wire, tmp_path, is_gate=True)
    false = [case for case, status, _ in found if status in DONE and status != case.reported]
    assert false == []
    lost = [case for case, status, _ in found if case.reported and status != case.reported]
    assert lost == []
    assert not any(is_assumed for *_, is_assumed in found)


@pytest.mark.parametrize("wire", WIRES)
def test_R4_an_assumed_success_has_an_event(tmp_path: Path, wire: str) -> None:
    found = ends(wire, tmp_path, is_gate=False)
    hidden = [
        case
        for case, status, is_assumed in found
        if is_assumed != (status in DONE and not case.reported)
    ]
    assert hidden == []
    assert any(is_assumed for *_, is_assumed in found)


@pytest.mark.parametrize("wire", WIRES)
def test_R4_each_assumed_success_is_reported(tmp_path: Path, wire: str) -> None:
    plant_orders(project_in(tmp_path))
    cases = [case for case in PLAYED[wire] if not case.is_faulty and not case.reported]
    lines = [
        f'c{number} [prompt="{prompt(number)}", max_retries=0]\n'
        f'c{number} -> {after} [condition="outcome=success"]\n'
        f'c{number} -> {after} [condition="outcome!=success"]'
        for number in range(len(cases))
        for after in [f"c{number + 1}" if number + 1 < len(cases) else "exit"]
    ]
    events: list[Event] = []
    with in_background(ProviderTwin(script(cases))) as twin:
        result = run(
            tmp_path,
            between("start -> c0", *lines),
            backend="agent",
            model=MODELS[wire],
            environ={**environ_for(tmp_path), **twin.environ()},
            observer=events.append,
        )
    # Each line begins with the time.
    said = {describe_event(event)[10:] for event in events}
    done = [
        event.node
        for event in events
        if event.type == "StageCompleted"
        and event.data["outcome"] == "success"
        and event.node not in ("start", "exit")
    ]
    assert done
    for one in done:
        assert f"{one}: success (assumed, because nothing was reported)" in said
    assert record(result, "final.json")["assumed_outcomes"] == done
