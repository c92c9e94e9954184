"""Twins of a suite in trials: seeded for each trial, and judged by their requests."""

from pathlib import Path

import pytest

from attractor.engine.outcome import Culprit
from attractor.scenarios.evaluation import TrialTrouble, Trouble
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.suite import Scenario, SuiteSettings
from attractor.twins.services.errors import ServiceError
from attractor.twins.services.service import load_service
from tests.needs import needs_curl
from tests.scenarios.suites import TWIN, write_files
from tests.scenarios.test_play import play, scenario

ADD = """curl -s -H 'content-type: application/json' -d '{"title": "%s"}' $TODO_API_URL/tasks"""
LIST = {"name": "list", "run": "curl -s $TODO_API_URL/tasks"}


def use_twin(tmp_path: Path, one: Scenario, *, twin: str = TWIN, **seed: object) -> PlayedScenario:
    suite = write_files(tmp_path / "suite", {"_twins/todo-api/twin.toml": twin})
    (tmp_path / "tree").mkdir(exist_ok=True)
    twins = [{"name": "todo-api", "seed": seed}]
    settings = SuiteSettings.model_validate({"name": "s", "pipeline": "p", "twins": twins})
    return play(tmp_path / "tree", one, suite=suite, settings=settings)


def titles(played: PlayedScenario) -> str:
    return played.observation.steps["list"].stdout


@needs_curl
def test_each_trial_starts_with_the_state_of_twin_suite_and_scenario(tmp_path: Path) -> None:
    steps = [{"name": "add", "run": ADD % "swim"}, LIST]
    for _ in range(2):
        listed = titles(use_twin(tmp_path, scenario(steps)))
        assert "feed the cat" in listed
        assert listed.count("swim") == 1
    tasks = [{"id": 7, "title": "of the suite"}]
    assert "of the suite" in titles(use_twin(tmp_path, scenario([LIST]), tasks=tasks))
    seed = {"todo-api": {"tasks": [{"id": 7, "title": "of the scenario"}]}}
    assert "of the scenario" in titles(use_twin(tmp_path, scenario([LIST], seed=seed), tasks=tasks))


@needs_curl
def test_twin_of_an_earlier_suite_keeps_its_patterns(tmp_path: Path) -> None:
    route = '\n[[routes]]\npath = "/tasks"\nkind = "fixed"\nbody = "%s"\n'
    path = 'when = { header = { accept = { matches = "^(?!text)" } } }'
    head, first, rest = TWIN.partition("[[routes]]")
    twin = f"{head}{route % 'earlier'}{path}\n{first}{rest}"
    assert "earlier" in titles(use_twin(tmp_path, scenario([LIST]), twin=twin))
    with pytest.raises(ServiceError, match="without look-around"):
        load_service(tmp_path / "suite/_twins/todo-api")


@needs_curl
def test_twin_that_crashes_while_the_candidate_runs_counts_against_the_candidate(
    tmp_path: Path,
) -> None:
    route = '[[routes]]\npath = "/broken"\nkind = "handler"\nfunction = "fail"\n'
    handler = {"_twins/todo-api/handler.py": "def fail(request, state, draw):\n    return 1 / 0\n"}
    write_files(tmp_path / "suite", handler)
    for path, is_trouble in (("absent", False), ("broken", True)):
        one = scenario([{"name": "ask", "run": f"curl -s $TODO_API_URL/{path}"}])
        if not is_trouble:
            assert use_twin(tmp_path, one, twin=TWIN + route).checks[0].passed
            continue
        with pytest.raises(TrialTrouble, match=r"the twin todo-api failed: handler.py:2") as caught:
            use_twin(tmp_path, one, twin=TWIN + route)
        assert caught.value.trouble == Trouble(Culprit.CANDIDATE, "A twin failed")


@needs_curl
def test_candidate_cannot_hide_a_request_behind_many_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attractor.scenarios.trial_twins.MOST_REQUESTS", 2)
    ask = "curl -s $TODO_API_URL/tasks;"
    steps = [{"name": "hide", "run": f"{ADD % 'hidden'}; {ask * 2}"}]
    checks = [{"kind": "twin", "twin": "todo-api", "method": "POST", "count": 0}]
    with pytest.raises(TrialTrouble, match="received more than 2 requests") as caught:
        use_twin(tmp_path, scenario(steps, checks))
    assert caught.value.culprit is Culprit.CANDIDATE


def test_seed_of_an_unknown_member_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="unknown member") as caught:
        use_twin(tmp_path, scenario([LIST]), task=[])
    assert caught.value.hint == "did you mean tasks?"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"count": 3}, ""),
        ({"count": 2}, "received 3 requests * *, not 2"),
        ({"method": "POST", "path": "/tasks", "at_least": 2, "at_most": 2}, ""),
        ({"method": "PUT", "at_least": 1}, "received 0 requests PUT *, fewer than 1"),
        ({"path": "/t*", "at_most": 2}, "received 3 requests * /t*, more than 2"),
        ({"body": {"$.title": "run"}, "count": 1}, ""),
        ({"body": {"$.title": "fly"}, "count": 0}, ""),
        ({"in_order": [{"body": {"$.title": "swim"}}, {"method": "GET"}]}, ""),
        (
            {"in_order": [{"body": {"$.title": "run"}}, {"body": {"$.title": "swim"}}]},
            'received no request * * $.title="swim" after 1 of in_order',
        ),
    ],
)
@needs_curl
def test_received_requests_are_counted_and_ordered(
    tmp_path: Path, options: dict[str, object], reason: str
) -> None:
    steps = [{"name": "add", "run": f"{ADD % 'swim'}; {ADD % 'run'}"}, LIST]
    checks = [{"kind": "twin", "twin": "todo-api", **options}]
    [result] = use_twin(tmp_path, scenario(steps, checks)).checks
    expected = reason or "received the expected requests"
    assert (result.passed, result.reason) == (not reason, f"the twin todo-api {expected}")
