"""Each field of a profile has its effect in a run."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from attractor.base.errors import UnknownName, UsageError
from attractor.config.tables import read_section
from attractor.engine.budgets import Budgets
from attractor.factory.errors import InvalidProfile
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.factory.registration.rules import describe_judges
from attractor.factory.resources.effective import policy_of_profile
from attractor.factory.resources.profiles import Profile
from attractor.pipeline.source.read import context_of, open_pipeline
from attractor.scenarios.suite_files import MOST_BYTES
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.needs import needs_sandbox
from tests.pipeline.projects import adjusted, git, open_project, simulated
from tests.scenarios.suites import write_files
from tests.tables import table

STYLED = """
digraph styled {
    graph [model_stylesheet=".fast { llm_model: opus; llm_provider: anthropic; }"]
    start [shape=Mdiamond]
    plan  [class="fast", prompt="Plan"]
    build [class="fast,careful", prompt="Build", llm_model="sonnet"]
    check [prompt="Check", llm_model="sonnet"]
    exit  [shape=Msquare]
    start -> plan -> build -> check -> exit
}
"""


def profiled(flow: Flow, **tables: object) -> Flow:
    """Select a profile in the settings of the project."""
    profile = read_section(
        Profile, {"name": "p", "policy": {"allow": ["isolation_unverified"]}, **tables}
    )
    flow.opened.profiles.create(profile, by="ann", now=flow.machine.clock.now())
    return flow.adjusted(profile="p", suite="todo")


def test_models_of_a_profile_override_those_of_the_pipeline(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "pipeline.dot").write_text(STYLED)
    models = {"fast": "haiku", "careful": "openai/gpt-5"}
    policy = policy_of_profile(Profile(name="p", models=models), flow.opened.project)
    file, scope = str(flow.project / "pipeline.dot"), policy.scope_in(flow.opened.project)
    nodes = open_pipeline(file, project=context_of(scope)).graph.nodes
    named = {
        id: (one.attributes.text("llm_model"), one.attributes.text("llm_provider"))
        for id, one in nodes.items()
        if id in ("plan", "build", "check")
    }
    assert named == {
        "plan": ("haiku", ""),
        "build": ("gpt-5", "openai"),
        "check": ("sonnet", ""),
    }


LOOK = 'cat "{tool}"; cat "{login}"; echo $COLOUR; cat kept/note; cat "$TOOLS/tool"; echo $MODE'


@pytest.mark.parametrize("has_profile", [True, False])
def test_a_sandbox_shows_the_paths_and_variables_of_the_profile(
    tmp_path: Path, has_profile: bool
) -> None:
    tool, login = tmp_path / "tools" / "tool", tmp_path / "login"
    tool.parent.mkdir()
    tool.write_text("tool ")
    login.write_text("login ")
    flow = make_flow(tmp_path)
    (flow.project / ".gitignore").write_text("kept\nruns\n")
    git(flow.project, "add", ".gitignore")
    git(flow.project, "commit", "--quiet", "--message", "Ignore")
    (flow.project / "kept").mkdir()
    (flow.project / "kept" / "note").write_text("note")
    look = LOOK.format(tool=tool, login=login)
    text = (flow.project / "pipeline.dot").read_text()
    command = look.replace('"', '\\"')
    (flow.project / "pipeline.dot").write_text(
        text.replace("echo made > made.txt", f"({command}) > made.txt 2>&1; true")
    )
    flow = flow.adjusted(environ={**flow.machine.environ, "COLOUR": "red"})
    sandbox = {
        "read": [str(tool.parent)],
        "expose": ["~/login"],
        "pass_env": ["COLOUR"],
        "carry": ["kept"],
        "env": {"TOOLS": "~/tools", "MODE": "quick"},
    }
    flow = flow.adjusted(sandbox_env={"MODE": "slow"})
    if has_profile:
        flow = profiled(flow, sandbox=sandbox)
    result = flow.launch(sandbox="auto", profile="", evaluate=False)
    made = git(flow.project, "show", f"attractor/run/{result.run_id}:made.txt")
    assert ("tool login red\nnotetool quick\n" in made) == has_profile
    assert ("slow" in made) != has_profile


@needs_sandbox
def test_a_variable_never_names_a_path_outside_of_readable_folders(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    flow = profiled(make_flow(tmp_path), sandbox={"read": ["~/tools"], "env": {"LOGIN": "~/x"}})
    with pytest.raises(UsageError, match=r"LOGIN is .*/x, which is not in a readable folder"):
        flow.launch(sandbox="auto", profile="", evaluate=False)


@needs_sandbox
@pytest.mark.parametrize(("at", "shown"), [(".", "seen\ninner"), ("sub", "seen")])
def test_holdouts_in_other_worktrees_of_the_project_are_hidden(
    tmp_path: Path, at: str, shown: str
) -> None:
    flow, tools = make_flow(tmp_path), tmp_path / "tools"
    top = flow.project
    look = f"cat {tools}/other/note.txt; cat $(find {tools} -name secret.txt) < /dev/null; true"
    text = (top / "pipeline.dot").read_text()
    files = {
        "pipeline.dot": text.replace("echo made > made.txt", f"({look}) > made.txt 2>&1"),
        "note.txt": "seen\n",
    }
    # These scenarios are hidden only if the project is in `sub`.
    inner = {"sub/scenarios/secret.txt": "inner\n"}
    write_files(top, {**files, **{f"sub/{name}": one for name, one in files.items()}, **inner})
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "More")
    git(top, "worktree", "add", "--quiet", str(tools / "other"))
    opened = adjusted(flow.opened.project, root=top / at, readable=(tools,))
    options = simulated(top / at, sandbox="auto", workspace="isolated")
    result = asyncio.run(start_run(options, OpenProject(opened)))
    made = git(top, "show", f"attractor/run/{result.run_id}:made.txt")
    assert made.strip() == shown


def test_a_missing_path_of_a_profile_stops_the_boot_with_its_remedy(tmp_path: Path) -> None:
    flow = profiled(make_flow(tmp_path), sandbox={"read": ["/no/such/tool"]})
    with pytest.raises(
        InvalidProfile, match="sandbox.read: /no/such/tool does not exist"
    ) as messages:
        flow.launch(profile="")
    assert "profile update p.toml" in messages.value.hint


def test_costs_are_limited_by_profile_pipeline_and_option_together(tmp_path: Path) -> None:
    flow = profiled(make_flow(tmp_path), policy={"max_cost_usd": 3.0})
    messages: list[str] = []
    opened = adjusted(flow.opened.project, tell=messages.append)
    for asked, effective in ((None, "3 USD"), (5.0, "3 USD"), (2.0, "2 USD")):
        request = simulated(flow.project, budgets=Budgets(cost_usd=asked), evaluate=False)
        asyncio.run(start_run(request, OpenProject(opened)))
        assert messages.count(f"budget: {effective}") == 1
        messages.clear()


def test_settings_choose_suite_and_profile_and_runs_report_them(tmp_path: Path) -> None:
    messages: list[str] = []
    flow = make_flow(tmp_path)
    flow = profiled(flow.adjusted(tell=messages.append))
    result = flow.launch(suite="", profile="")
    assert flow.rules(result) == []
    stores = flow.opened
    suite, profile = stores.suites.versions.find("todo"), stores.profiles.versions.find("p")
    assert f"Judged by {suite} and {profile}." in messages
    assert not any("differs in" in one for one in messages)
    (tmp_path / "suite" / "holdout" / "made.scenario.toml").write_text(HOLDOUT.format(wanted="x"))
    messages.clear()
    assert flow.rules(flow.launch(suite="", profile="")) == []
    assert any("1 file differs in" in one and "suite register" in one for one in messages)


def link(folder: Path) -> None:
    (folder / "fixtures").mkdir()
    (folder / "fixtures" / "a").symlink_to("b")


def fill(folder: Path) -> None:
    (folder / "suite.toml").write_bytes(b"#" * (MOST_BYTES + 1))


@table(
    ("change", "words"),
    [(link, "a is a link"), (fill, "suite.toml"), (rmtree, "is missing; the sealed suite judges")],
)
def test_the_folder_of_a_sealed_suite_stops_no_run(
    tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    flow = make_flow(tmp_path)
    stores = flow.opened
    change(tmp_path / "suite")
    _, output = describe_judges(stores.pin_suite("todo"), "", stores)
    assert words in output


def test_an_option_overrides_the_settings(tmp_path: Path) -> None:
    flow = profiled(make_flow(tmp_path))
    assert flow.rules(flow.launch(profile="strict")) == ["isolation_unverified"]
    with pytest.raises(UnknownName, match="unknown suite 'other'"):
        flow.launch(suite="other")


@table(
    ("url", "is_refused"),
    [
        ("", True),
        ("https://api.openai.com/v1", True),
        ("http://127.0.0.1.example.org:8000/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://localhost:8000/v1", False),
    ],
)
def test_a_profile_with_twins_refuses_real_providers(
    tmp_path: Path, url: str, is_refused: bool
) -> None:
    profile = read_section(Profile, {"name": "p", "policy": {"twins": "twin"}})
    opened = open_project(tmp_path, OPENAI_API_KEY="key", OPENAI_BASE_URL=url)
    if is_refused:
        with pytest.raises(InvalidProfile, match="OPENAI_BASE_URL names no twin") as caught:
            policy_of_profile(profile, opened)
        assert "attractor twin llm" in caught.value.hint
    else:
        policy_of_profile(profile, opened)
    policy_of_profile(profile, open_project(tmp_path))
    policy_of_profile(Profile(name="real"), opened)


def test_policy_of_a_profile_decides_whether_providers_are_asked(tmp_path: Path) -> None:
    for asks in (True, False):
        profile = read_section(Profile, {"name": "p", "policy": {"ask_providers": asks}})
        assert policy_of_profile(profile, open_project(tmp_path)).asks_providers is asks
