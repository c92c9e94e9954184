"""A suite that cannot judge is refused, after trials on trees whose results are known."""

import asyncio
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest

from attractor.base.errors import Refused
from attractor.config.tables import read_section
from attractor.engine.run_folder.result import RunResult
from attractor.environments.orphan_processes import MARK
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.gate import gate
from attractor.factory.history.audit import audit
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.start import check_run, start_run
from attractor.factory.registration.first_suite import write_first_suite
from attractor.factory.registration.register_suite import lint, register_suite
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.suites import Registration
from attractor.pipeline.project.project import Project
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.sealed_suite import lock_of, seal_suite, write_lock
from attractor.scenarios.suite_lint import SuiteRefused
from attractor.workspaces.preparation import NO_PREPARATION
from tests.environments.places import skipping_without_sandbox
from tests.needs import needs_kind, needs_sandbox
from tests.pipeline.projects import LINEAR, adjusted, git, make_project, open_project, simulated
from tests.ports import free_port
from tests.scenarios.suites import TWIN, write_files, write_suite

SUITE = 'name = "todo"\npipeline = "linear"\n'
SCENARIO = """
id = "{id}"
title = "The file"
story = "Ann {id}."
baseline = "{baseline}"

[[steps]]
name = "look"
run = "{run}"

[[checks]]
kind = "stdout"
step = "look"
equals = "{wanted}"
"""
GREET = "#!/bin/sh\necho hello\n"


def scenario(
    id: str = "greets", *, run: str = "sh greet.sh", wanted: str = "hello", baseline: str = "pass"
) -> str:
    return SCENARIO.format(id=id, run=run, wanted=wanted, baseline=baseline)


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", **{"greet.sh": GREET})
    (project / "greet.sh").write_text("echo changed, and not committed\n")
    messages: list[str] = []
    return adjusted(open_project(project), tell=messages.append)


def register(opened: Project, folder: Path, sandbox: str = "none") -> Registration:
    return asyncio.run(register_suite(folder, OpenProject(opened), sandbox=sandbox, by="ann"))


def faults(opened: Project, folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(SuiteRefused) as caught:
        register(opened, folder)
    assert not OpenProject(opened).suites.versions.names()
    return [(one.rule, one.scenario) for one in caught.value.faults]


PROBED = """
id = "greets"
title = "The port"
story = "Ann asks."

[[steps]]
name = "serve"
service = "python3 -m http.server --bind 127.0.0.1 {port}"
port = {port}

[[checks]]
kind = "probe"
program = "look"
timeout = "300ms"
"""


def test_a_probe_that_hangs_at_registration_is_the_suites_fault(
    opened: Project, tmp_path: Path
) -> None:
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=PROBED.format(port=free_port()))
    write_files(folder, {"checks/look": "#!/bin/sh\nsleep 30\n"})
    # On the last commit it fails as it should: only its time limit tells that it says nothing.
    assert faults(opened, folder) == [("hanging_probe", "greets")]


def test_a_good_suite_is_registered_with_progress_and_leaves_no_traces(
    opened: Project, tmp_path: Path
) -> None:
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=scenario())
    messages: list[str] = []
    opened = adjusted(opened, progress=messages.append)
    assert register(opened, folder).is_new
    assert messages[0] == "base tree: 1 of 1 trials"
    assert messages[-1] == ""
    assert git(opened.root, "for-each-ref", "refs/attractor") == ""
    assert [*(opened.machine.state_dir / "stores").iterdir()] == []
    assert [*(opened.machine.state_dir / "workspaces").iterdir()] == []
    messages.clear()
    assert not register(opened, folder).is_new
    assert messages == []


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        (scenario(baseline="fail"), "baseline"),
        (scenario(wanted="bye"), "baseline"),
        (scenario(wanted="bye", baseline="fail"), ""),
        (scenario(baseline="any"), ""),
        (scenario(wanted="", baseline="fail"), "not_discriminating"),
    ],
)
def test_baseline_and_discrimination_are_played_on_the_last_commit(
    opened: Project, tmp_path: Path, written: str, rule: str
) -> None:
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=written)
    if rule:
        assert faults(opened, folder) == [(rule, "greets")]
    else:
        assert register(opened, folder).is_new


SHOUT = "echo HELLO\n"


@pytest.fixture
def judged(opened: Project) -> Path:
    """Commit a suite with its lock, and then the change that it wants."""
    written = scenario(wanted="HELLO", baseline="fail")
    folder = write_suite(opened.root / "scenarios" / "todo", suite=SUITE, greets=written)
    patch(opened, folder, "greets", SHOUT)
    begin = git(opened.root, "rev-parse", "HEAD").strip()
    assert register(opened, folder).version.data["proved_on"] == begin
    assert json.loads((folder / "suite.lock.json").read_text())["proved_on"] == begin
    for change in ({}, {"greet.sh": SHOUT}):
        write_files(opened.root, change)
        git(opened.root, "add", "--all")
        git(opened.root, "commit", "--quiet", "--message", "Change")
    return folder


def clone(opened: Project, place: Path, *options: str) -> tuple[Project, Path, list[str]]:
    """Clone the project to another machine; return it, the suite and its messages."""
    place.mkdir()
    git(place, "clone", "--quiet", *options, f"file://{opened.root}", "project")
    messages: list[str] = []
    there = adjusted(
        open_project(place / "project"), tell=messages.append, progress=messages.append
    )
    return there, there.root / "scenarios" / "todo", messages


def test_baselines_of_a_committed_lock_are_proved_on_the_commit_that_it_names(
    opened: Project, judged: Path, tmp_path: Path
) -> None:
    there, folder, messages = clone(opened, tmp_path / "second")
    # Only the lock in the commit counts.
    (folder / "suite.lock.json").write_text("{}")
    assert register(there, folder).is_new
    assert "base tree: 1 of 1 trials" in messages
    assert "reference greets: 1 of 1 trials" in messages
    assert git(there.root, "status", "--porcelain") == ""
    lock = (judged / "suite.lock.json").read_text()
    assert not register(opened, judged).is_new
    assert (judged / "suite.lock.json").read_text() == lock

    file = folder / "holdout" / "greets.scenario.toml"
    file.write_text(file.read_text() + "\n")
    with pytest.raises(SuiteRefused, match="baseline"):
        register(there, folder)


def test_a_shallow_clone_plays_no_baselines_and_says_so(
    opened: Project, judged: Path, tmp_path: Path
) -> None:
    there, folder, messages = clone(opened, tmp_path / "second", "--depth", "1")
    registered = register(there, folder)
    assert registered.is_new
    assert "proved_on" not in registered.version.data
    assert any("git fetch --unshallow" in one for one in messages)
    run = launch(replace(there, suite="todo"))
    assert "baselines of the suite are not proved" in str(
        gate(ask_gate(run.directory, OpenProject(there))[1])
    )
    played = [one.partition(":")[0] for one in messages if "trials" in one]
    assert played == ["do-nothing program", "reference greets"]
    assert git(there.root, "status", "--porcelain") == ""


def test_suite_with_new_settings_is_proved_where_its_scenarios_were(
    opened: Project, judged: Path, tmp_path: Path
) -> None:
    there, folder, _ = clone(opened, tmp_path / "second")
    named = json.loads((folder / "suite.lock.json").read_text())["proved_on"]
    settings = folder / "suite.toml"
    settings.write_text(settings.read_text().replace('"linear"', '"*"'))
    registered = register(there, folder)
    assert registered.version.data["proved_on"] == named
    lock = json.loads((folder / "suite.lock.json").read_text())
    assert (lock["proved_on"], lock["seal"]) == (named, registered.version.content)
    edit(folder)
    with pytest.raises(SuiteRefused, match="declares baseline"):
        register(there, folder)


def test_lock_of_a_commit_that_a_complete_history_lacks_is_named_with_its_remedy(
    opened: Project, judged: Path, tmp_path: Path
) -> None:
    there, folder, messages = clone(opened, tmp_path / "second")
    lock = folder / "suite.lock.json"
    named = json.loads(lock.read_text())["proved_on"]
    lock.write_text(lock.read_text().replace(named, "1" * 40))
    commit(there.root)
    assert register(there, folder).is_new
    assert any("remove suite.lock.json" in one for one in messages)
    lock.unlink()
    commit(there.root)
    with pytest.raises(SuiteRefused, match="declares baseline"):
        register(there, folder)


def launch(opened: Project, profile: str = "") -> RunResult:
    return asyncio.run(start_run(simulated(opened.root, profile=profile), OpenProject(opened)))


def test_run_in_a_clone_registers_its_suite_by_the_lock_of_the_last_commit(
    opened: Project, judged: Path, tmp_path: Path
) -> None:
    there, folder, messages = clone(opened, tmp_path / "second")
    there = replace(there, suite="todo")
    evaluator, policy = Evaluator(OpenProject(there)), {"suites": "registered by a person"}
    careful = read_section(Profile, {"name": "careful", "policy": policy})
    evaluator.opened.profiles.create(careful, by="ann", now=there.machine.clock.now())
    checked = check_run(simulated(there.root, profile="careful"), OpenProject(there))
    for starts in (lambda: launch(there, "careful"), lambda: asyncio.run(checked)):
        with pytest.raises(Refused, match="the suite is not registered by a person"):
            starts()
    asyncio.run(check_run(simulated(there.root), OpenProject(there)))
    assert not evaluator.opened.suites.versions.names()

    run = launch(there)
    version = evaluator.opened.suites.versions.find("todo")
    head = git(there.root, "rev-parse", "HEAD").strip()
    assert version.by == f"lock of {head}"
    assert f"Registered {version} by its lock of {head}." in messages
    assert git(there.root, "status", "--porcelain") == ""
    report = gate(ask_gate(run.directory, OpenProject(there))[1])
    assert report.satisfied == 1
    note, untried = report.suite_notes
    assert f"registered by its lock in commit {head[:12]}" in note
    assert untried == "not tried against cheats: attractor suite register FOLDER"
    assert report.to_record()["suite_notes"] == [note, untried]
    assert launch(there).status == run.status
    with pytest.raises(Refused, match="todo@1 .* is not registered by a person"):
        launch(there, "careful")

    registered = register(there, folder)
    assert (registered.version.number, registered.version.by) == (1, "ann")
    assert not registered.is_new
    notes = gate(ask_gate(run.directory, OpenProject(there))[1]).suite_notes
    assert notes == ("2 of 2 cheats noticed",)
    assert launch(there, "careful").status == run.status
    assert audit(there.machine.state_dir, there.runs_dir).flaws == []


def edit(folder: Path) -> None:
    file = folder / "holdout" / "greets.scenario.toml"
    file.write_text(file.read_text() + "\n")


def commit(folder: Path, message: str = "Edit") -> None:
    git(folder, "add", "--all", ".")
    git(folder, "commit", "--quiet", "--message", message)


def commit_without_lock(folder: Path) -> None:
    edit(folder)
    commit(folder)


def commit_only_the_lock(folder: Path) -> None:
    """Commit a lock of files that are not committed."""
    edit(folder)
    with TemporaryDirectory() as store:
        write_lock(folder, lock_of(seal_suite(folder, Path(store)), 2))
    git(folder, "commit", "--quiet", "--message", "Edit", "suite.lock.json")


def link_twins_outside(folder: Path) -> None:
    """Let the suite name a twin that a link shows."""
    outside = folder.parents[2] / "twins"
    write_files(outside / "todo-api", {"twin.toml": TWIN})
    (folder.parent / "_twins").symlink_to(outside)
    settings = folder / "suite.toml"
    settings.write_text(settings.read_text() + '[[twins]]\nname = "todo-api"\n')
    with TemporaryDirectory() as store:
        write_lock(folder, lock_of(seal_suite(folder, Path(store)), 2))
    commit(folder)


def hide_a_removed_file(folder: Path) -> None:
    (folder / "train").mkdir()
    (folder / "train" / "b.scenario.toml").write_text(scenario("b", baseline="any"))
    commit(folder)
    (folder / "train" / "b.scenario.toml").unlink()


def commit_by_a_run(folder: Path) -> None:
    (folder / "README.md").touch()
    commit(folder, "Edit\n\nAttractor-Run: 01ABC")
    (folder / "README.md").unlink()
    commit(folder)


def squash_commits_of_a_run(folder: Path) -> None:
    (folder / "README.md").touch()
    commit(folder, "Squashed\n\n    Edit\n\n    Attractor-Run: 01ABC\n\nReviewed.")
    (folder / "README.md").unlink()
    commit(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit, "the last commit has no suite.lock.json of its files"),
        (commit_without_lock, "the last commit has no suite.lock.json of its files"),
        (commit_only_the_lock, "1 file changed since the last commit"),
        (link_twins_outside, "1 file outside of the repository"),
        (hide_a_removed_file, "1 file changed since the last commit"),
        (commit_by_a_run, "run 01ABC changed its files"),
        (squash_commits_of_a_run, "run 01ABC changed its files"),
    ],
)
def test_run_registers_no_files_but_those_that_people_committed(
    opened: Project, judged: Path, tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    there, folder, _ = clone(opened, tmp_path / "second")
    change(folder)
    there = replace(there, suite="todo")
    with pytest.raises(Refused, match="suite todo is not registered here") as caught:
        launch(there)
    with pytest.raises(Refused) as checked:
        asyncio.run(check_run(simulated(there.root), OpenProject(there)))
    assert checked.value.message == caught.value.message
    assert words in caught.value.message
    assert "attractor suite register" in caught.value.hint
    assert not OpenProject(there).suites.versions.names()


@pytest.mark.parametrize(("baseline", "is_refused"), [("pass", True), ("fail", False)])
def test_suite_that_a_person_registers_during_the_trials_of_its_lock_is_kept(
    opened: Project, judged: Path, tmp_path: Path, baseline: str, is_refused: bool
) -> None:
    there, folder, _ = clone(opened, tmp_path / "second")
    file = folder / "holdout" / "greets.scenario.toml"

    def tell(message: str) -> None:
        if message.startswith("do-nothing"):
            file.write_text(file.read_text().replace('"fail"', f'"{baseline}"'))
            person = Thread(target=register, args=(there, folder))
            person.start()
            person.join()

    refusal = pytest.raises(Refused, match="was registered while") if is_refused else nullcontext()
    with refusal:
        launch(adjusted(there, suite="todo", progress=tell))
    [version] = OpenProject(there).suites.versions.versions("todo")
    assert (version.by, "lock" in version.data) == ("ann", False)


def test_process_of_a_run_registers_no_suite_by_its_lock(
    opened: Project, judged: Path, tmp_path: Path
) -> None:
    there, _, _ = clone(opened, tmp_path / "second")
    there = adjusted(there, suite="todo", environ={**there.machine.environ, MARK: "a mark"})
    with pytest.raises(Refused, match="registering suite todo is only for the operator"):
        launch(there)


def carrying(opened: Project, setting: str, *paths: str) -> Project:
    """Return a project that carries folders, each with a program `greet`."""
    (opened.root / ".gitignore").write_text("".join(f"{path}/\n" for path in paths))
    git(opened.root, "add", ".gitignore")
    git(opened.root, "commit", "--quiet", "--message", "Ignore")
    for path in paths:
        write_files(opened.root / path, {"greet": GREET})
    return adjusted(opened, preparation=replace(NO_PREPARATION, **{setting: paths}))


VERIFIED = """
[[checks]]
kind = "command"
program = "verify"
"""
HAS_NO_VENV = "#!/bin/sh\n! test -e app/.venv && ! test -e $CANDIDATE/app/.venv/greet\n"


@pytest.mark.parametrize(
    ("setting", "sandbox"),
    [("carry", "none"), ("carry_read_only", "bubblewrap"), ("carry_read_only", "landlock")],
)
def test_trials_have_the_carried_files_that_the_suite_lists(
    opened: Project, tmp_path: Path, setting: str, sandbox: str
) -> None:
    messages: list[str] = []
    opened = adjusted(carrying(opened, setting, "tools", "app/.venv"), tell=messages.append)
    written = scenario(run="app/.venv/greet && sh greet.sh", wanted="hello\\nhello")
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=written + VERIFIED)
    write_files(folder, {"checks/verify": HAS_NO_VENV})
    with skipping_without_sandbox():
        assert register(opened, folder, sandbox).is_new
    [hint] = [one for one in messages if one.startswith("hint")]
    assert "tools is not carried into trials: add it to [trials]" in hint

    written = scenario(run="tools/greet && sh greet.sh", wanted="hello\\nhello")
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=written)
    with pytest.raises(SuiteRefused) as caught:
        register(opened, folder, sandbox)
    [baseline] = caught.value.faults
    assert "; tools is not carried into trials: add it to [trials]" in baseline.words

    write_suite(folder, suite=SUITE + '[trials]\ncarry = ["tools"]\n', greets=written)
    assert register(opened, folder, sandbox).is_new
    assert any("starts programs of tools" in one for one in messages)


def test_first_suite_is_refused_until_it_is_about_the_program(
    opened: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "first"
    write_first_suite(folder, "linear", opened)
    assert faults(opened, folder) == [("baseline", "starts")]
    for file in folder.rglob("*.toml"):
        file.write_text(file.read_text().replace("./program --version", "sh greet.sh 7"))
    (opened.root / "greet.sh").write_text("echo hello 7\n")
    git(opened.root, "commit", "--quiet", "--all", "--message", "Greet")
    assert register(opened, folder).is_new


def test_verifier_that_executes_the_candidate_is_registered_with_a_hint(
    opened: Project, tmp_path: Path
) -> None:
    check = '[[checks]]\nkind = "command"\nprogram = "verify"\n'
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=scenario() + check)
    write_files(folder, {"checks/verify": '#!/bin/sh\nsh "$CANDIDATE/greet.sh"\n'})
    messages: list[str] = []
    assert register(adjusted(opened, tell=messages.append), folder).is_new
    [hint] = [message for message in messages if message.startswith("hint: ")]
    assert "executes_candidate: checks/verify executes $CANDIDATE/greet.sh" in hint


def patch(opened: Project, folder: Path, name: str, text: str) -> None:
    """Write a reference patch that replaces the program."""
    git(opened.root, "checkout", "--quiet", "--", "greet.sh")
    (opened.root / "greet.sh").write_text(text)
    (folder / "reference").mkdir(exist_ok=True)
    (folder / "reference" / f"{name}.patch").write_text(git(opened.root, "diff", "HEAD"))
    git(opened.root, "checkout", "--quiet", "--", "greet.sh")


FLAKY = "test -e ../seen && echo hello || echo bye; touch ../seen\n"


@pytest.mark.parametrize(
    ("name", "text", "rules"),
    [
        ("greets", "echo bye\n", []),
        ("greets", "echo hello again\n", ["reference"]),
        # Passes only in the first trial.
        ("greets", FLAKY, ["reference"]),
    ],
)
def test_a_reference_patch_passes_all_trials(
    opened: Project, tmp_path: Path, name: str, text: str, rules: list[str]
) -> None:
    written = {
        "greets": scenario(wanted="bye", baseline="fail"),
        "shouts": scenario("shouts", wanted="BYE", baseline="fail"),
    }
    folder = write_suite(tmp_path / "suite", suite=SUITE + "[trials]\nn = 2\n", **written)
    patch(opened, folder, name, text)
    if rules:
        assert sorted({rule for rule, _ in faults(opened, folder)}) == rules
    else:
        assert register(opened, folder).is_new


def test_a_patch_that_does_not_apply_is_refused(opened: Project, tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=scenario())
    patch(opened, folder, "greets", "echo hi\n")
    file = folder / "reference" / "greets.patch"
    file.write_text(file.read_text().replace("echo hello", "echo other"))
    assert faults(opened, folder) == [("unplayable", "greets")]


@pytest.mark.parametrize(
    ("settings", "files", "words"),
    [
        ('name = "todo"\npipeline = "lineal"\n', {}, "no pipeline of the project"),
        (SUITE, {"holdout/b.scenario.tml": scenario("b")}, "must end in .scenario.toml"),
        (SUITE, {"train/b.scenario.toml": scenario("b").replace("Ann b.", "Ann greets.")}, "story"),
        (SUITE + "[trials]\nn = 5\n[gate]\nmin_lower_bound = 0.9\n", {}, "at least 29 trials"),
    ],
)
def test_faults_of_the_files_are_refused_before_any_trial(
    opened: Project, tmp_path: Path, settings: str, files: dict[str, str], words: str
) -> None:
    folder = write_suite(tmp_path / "suite", suite=settings, greets=scenario())
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with pytest.raises(InvalidSuite) as caught:
        register(opened, folder)
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert not (opened.machine.state_dir / "stores").exists()


@pytest.mark.parametrize("name", ["linear ", '"linear" ', ""])
def test_a_registered_drawn_or_shipped_pipeline_is_known(
    opened: Project, tmp_path: Path, name: str
) -> None:
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=scenario())
    (opened.root / "pipeline.dot").unlink()
    assert [one.rule for one in asyncio.run(lint(folder, OpenProject(opened)))[1]] == [
        "unknown_pipeline"
    ]
    for shipped in ("crew", "tester"):
        write_suite(folder, suite=SUITE.replace("linear", shipped), greets=scenario())
        assert asyncio.run(lint(folder, OpenProject(opened)))[1] == []
    write_suite(folder, suite=SUITE, greets=scenario())
    (opened.root / "drawings").mkdir()
    drawn = LINEAR.replace("digraph linear ", f"digraph {name}")
    (opened.root / "drawings" / "linear.dot").write_text(drawn)
    (opened.root / "broken.dot").symlink_to("nowhere.dot")
    assert asyncio.run(lint(folder, OpenProject(opened)))[1] == []
    write_suite(folder, suite=SUITE.replace('"linear"', '"*"'), greets=scenario())
    assert asyncio.run(lint(folder, OpenProject(opened)))[1] == []
    references = '["linear", "linear@1"]'
    write_suite(folder, suite=SUITE.replace('"linear"', references), greets=scenario())
    [fault] = asyncio.run(lint(folder, OpenProject(opened)))[1]
    assert (fault.rule, fault.words) == (
        "unknown_pipeline",
        "the pipeline 'linear' has no version 1",
    )


@pytest.mark.parametrize(
    ("project", "folder", "is_visible"),
    [
        (".", "scenarios/todo", False),
        (".", "qa/todo", True),
        ("a [b]", "a [b]/scenarios/todo", False),
        ("a [b]", "scenarios/todo", False),
        ("a [b]", "a [b]/qa/todo", True),
        ("a [b]", "qa/todo", True),
        ("a [b]", "../suite", False),
    ],
)
def test_suite_in_a_folder_that_workspaces_contain_is_refused(
    opened: Project, project: str, folder: str, is_visible: bool
) -> None:
    top = opened.root
    (top / project).mkdir(exist_ok=True)
    (top / project / "linear.dot").write_text(LINEAR)
    suite = write_suite(top / folder, suite=SUITE, greets=scenario())
    opened = adjusted(opened, root=top / project)
    found = asyncio.run(lint(suite, OpenProject(opened)))[1]
    assert [one.rule for one in found] == ["visible_to_agents"] * is_visible


@needs_sandbox
def test_failed_setup_is_a_warning_and_a_program_hidden_by_the_sandbox_is_refused(
    opened: Project, tmp_path: Path
) -> None:
    messages: list[str] = []
    opened = adjusted(opened, tell=messages.append)
    built = scenario(run="test -e built && ./built", baseline="fail")
    setup = '[setup]\nrun = ["compile greet.c"]\n'
    folder = write_suite(tmp_path / "suite", suite=SUITE + setup, greets=built)
    home = tmp_path / "home"
    write_files(home, {"tools/bin/compile": "#!/bin/sh\ncp greet.sh built\n"})
    variables = {"HOME": str(home), "PATH": f"{home / 'tools/bin'}:{opened.machine.search_path}"}
    hiding = adjusted(opened, environ={**opened.machine.environ, **variables})
    with pytest.raises(SuiteRefused, match="does not find .*compile in the sandbox") as refused:
        register(hiding, folder, "bubblewrap")
    [fault] = refused.value.faults
    assert f'read = ["{home / "tools"}"]' in fault.remedy
    assert register(opened, folder, "bubblewrap").is_new
    [warning] = [one for one in messages if one.startswith("warning: ")]
    assert warning.startswith("warning: the setup of the suite failed on the base: setup.run[0] ")
    assert "compile: command not found" in warning
    messages.clear()
    unproved = scenario(run="test -e built && ./built", baseline="any")
    write_suite(tmp_path / "suite", suite=SUITE + setup, greets=unproved)
    register(opened, folder, "bubblewrap")
    assert warning in messages


@pytest.mark.parametrize(
    ("run", "named"),
    [("./todo add", "todo"), ("python3 dist/todo.py", "dist/todo.py")],
)
def test_program_that_git_ignores_is_refused_without_a_setup(
    opened: Project, tmp_path: Path, run: str, named: str
) -> None:
    (opened.root / ".gitignore").write_text("/todo\ndist/\n")
    written = scenario(run=run, baseline="fail")
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=written)
    assert faults(opened, folder) == [("ignored_program", "greets")]
    with pytest.raises(SuiteRefused, match=f"greets starts {named}, which Git ignores"):
        register(opened, folder)
    built = '[setup]\nrun = ["echo echo hello > todo; mkdir dist; chmod +x todo"]\n'
    folder = write_suite(tmp_path / "built", suite=SUITE + built, greets=scenario(baseline="any"))
    assert register(opened, folder).is_new


@pytest.mark.parametrize("place", [".git/info/exclude", "home/.config/git/ignore"])
def test_ignored_program_is_found_by_all_ignore_files_of_git(
    opened: Project, tmp_path: Path, place: str
) -> None:
    home = tmp_path / "home"
    write_files(opened.root if place.startswith(".git/") else tmp_path, {place: "/todo\n"})
    run = "../outside; /bin/true; ./todo add"
    folder = write_suite(tmp_path / "suite", greets=scenario(run=run, baseline="fail"))
    hiding = adjusted(opened, environ={**opened.machine.environ, "HOME": str(home)})
    assert faults(hiding, folder) == [("ignored_program", "greets")]


def test_ignored_program_is_found_if_the_project_is_a_folder_of_its_repository(
    opened: Project, tmp_path: Path
) -> None:
    project = opened.root / "app"
    write_files(project, {".gitignore": "/bin/\n", "linear.dot": LINEAR})
    commit(project)
    written = scenario(run="app/bin/todo add", baseline="fail")
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=written)
    assert faults(open_project(project), folder) == [("ignored_program", "greets")]


def test_suite_whose_program_is_missing_is_registered_with_a_warning_and_played_again(
    opened: Project, tmp_path: Path
) -> None:
    messages: list[str] = []
    opened = adjusted(opened, tell=messages.append)
    written = scenario(run="./todo", baseline="fail")
    folder = write_suite(tmp_path / "suite", suite=SUITE, greets=written)
    assert register(opened, folder).is_new
    warning = (
        "warning: a scenario failed on the base only because a program is missing: greets: "
        "command not found: ./todo"
    )
    assert warning in messages
    run = launch(adjusted(opened, suite="todo"))

    # The program comes, and passes at once: the baseline is wrong.
    write_files(opened.root, {"todo": "#!/bin/sh\necho hello\n"})
    (opened.root / "todo").chmod(0o755)
    commit(opened.root)
    with pytest.raises(SuiteRefused, match="declares baseline"):
        register(opened, folder)
    version = OpenProject(opened).suites.versions.find("todo")
    assert (version.number, version.data["unproved"]) == (1, "baseline")
    note, _ = gate(ask_gate(run.directory, OpenProject(opened))[1]).suite_notes
    assert "the suite is unproved" in note

    # It fails for its own reason.
    write_files(opened.root, {"todo": "#!/bin/sh\necho bye\n"})
    commit(opened.root)
    assert not register(opened, folder).is_new
    notes = gate(ask_gate(run.directory, OpenProject(opened))[1]).suite_notes
    assert notes == ("2 of 2 cheats noticed",)
    messages.clear()
    assert not register(opened, folder).is_new
    assert messages == []


@needs_sandbox
def test_toolchain_that_starts_and_does_not_work_in_the_sandbox_is_refused(
    opened: Project, tmp_path: Path
) -> None:
    tools = tmp_path / "tools" / "bin"
    script = (
        '#!/bin/sh\n[ "$RUSTUP_HOME" ] || { echo "error: no toolchain" >&2; exit 1; }\necho 1.9\n'
    )
    write_files(tools, {"rustup": script})
    (tools / "rustup").chmod(0o755)
    (tools / "cargo").symlink_to("rustup")
    variables = {"PATH": f"{tools}:{opened.machine.search_path}", "RUSTUP_HOME": str(tmp_path)}
    opened = adjusted(opened, environ={**opened.machine.environ, **variables}, readable=(tools,))
    setup = '[setup]\nrun = ["cargo build --quiet"]\n'
    folder = write_suite(tmp_path / "suite", suite=SUITE + setup, greets=scenario(baseline="fail"))
    with pytest.raises(SuiteRefused, match="cargo does not say its version in the san") as refused:
        register(opened, folder, "bubblewrap")
    assert "RUSTUP_HOME" in refused.value.faults[0].remedy


@needs_kind
@pytest.mark.parametrize("sandbox", ["none", "bubblewrap"])
def test_failed_setup_of_a_suite_is_told_in_all_sandboxes(
    opened: Project, tmp_path: Path, sandbox: str
) -> None:
    messages: list[str] = []
    opened = adjusted(opened, tell=messages.append)
    setup = '[setup]\nrun = ["echo not yet >&2; exit 3"]\n'
    folder = write_suite(tmp_path / "suite", suite=SUITE + setup, greets=scenario(baseline="fail"))
    assert register(opened, folder, sandbox).is_new
    words = "the setup of the suite failed on the base: setup.run[0] ended with 3: not yet"
    assert f"warning: {words}" in messages
