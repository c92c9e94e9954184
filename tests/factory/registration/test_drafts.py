"""Drafts of a suite: an agent writes them, the program plays them, and a person takes each."""

import asyncio
import json
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.base.errors import Refused, UsageError
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.drafts import (
    EVERYTHING,
    REFERENCE,
    Faults,
    SuiteDraft,
    find_faults,
    parts_of,
)
from attractor.factory.registration.taking import part_named, take, waiting
from attractor.scenarios.suite_reader import read_suite
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.cli.terminals import sit
from tests.cli.test_agent import ProjectDesk
from tests.counts import count
from tests.factory.registration.drafted import (
    breaking,
    drafted,
    patch,
    program,
    requirements,
    scenario,
    sentence,
    specification,
    writing,
)
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.prepared import begin_prepared
from tests.scenarios.suites import write_files
from tests.tables import table
from tests.worlds.test_kills_of_care import DYING

MODEL = ("--model", MODELS["openai"])


def script(files: Mapping[str, str]) -> Script:
    command = use("shell", {"command": writing(files)})
    rules = (
        Rule(when=When(first_user="Draft a suite", step=0), answer=uses(command)),
        Rule(when=When(first_user="Draft a suite", step=1), answer=says("Drafted.")),
    )
    return Script(rules=rules)


@pytest.fixture
def desk(tmp_path: Path) -> ProjectDesk:
    desk = ProjectDesk(tmp_path)
    desk.place.mkdir()
    return desk


def specify(place: Path, text: str) -> None:
    if not (place / ".git").exists():
        git(place, "init", "--quiet")
    write_files(place, {"SPEC.md": text, "draft/own.txt": "Not a draft.\n"})
    git(place, "add", "SPEC.md", "draft")
    git(place, "commit", "--quiet", "--allow-empty", "--message", "Specify")


def test_thirty_sentences_become_a_registered_suite(desk: ProjectDesk) -> None:
    many = count(ci=5, full=30)
    specify(desk.place, specification(many))
    with in_background(ProviderTwin(script(drafted(many)))) as desk.twin:
        done = desk.do("suite", "draft", "scenarios/words", "--from", "SPEC.md", *MODEL, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["parts"]) == 2 * many + 1
    assert [one["faults"] for one in found["parts"] if one["faults"]] == []

    def said(*words: str) -> str:
        done = desk.do("suite", *words)
        return done.stdout + done.stderr

    run = found["run"]
    assert not (desk.place / "scenarios").exists()
    bulk = said("take", run, "scenarios/words", "word-0", "word-1")
    assert "drafts are taken one after the other" in bulk
    assert f"  Words: “{sentence(0)}”" in said("take", run, "scenarios/words")
    for one in found["parts"]:
        assert "wrote " in said("take", run, "scenarios/words", one["id"]), one["id"]
    assert "no draft waits" in said("take", run, "scenarios/words")
    registered = said("register", "scenarios/words")
    assert f"{many} of {many} wrong solutions noticed" in registered
    assert said("coverage", "scenarios/words") == f"{many} of {many} sentences have a holdout\n"
    # One sentence is changed, and one removed.
    text = specification(many).replace("meaning 1.", "meaning one.").replace(sentence(2), "")
    specify(desk.place, text)
    coverage = said("coverage", "scenarios/words")
    assert "changed since: s1 (look at: word-1)" in coverage
    assert "gone since: s2 (look at: word-2)" in coverage
    # The reference is no candidate.
    approved = desk.do("decide", run, "--approve", "--reason", "It is right, as I see.")
    assert approved.returncode != 0
    promoted = desk.do("promote", run)
    assert promoted.returncode != 0
    assert not (desk.place / "words.py").exists()
    # Nor is it the beginning of another run, and only its folder names it.
    [root] = (desk.folder / "state" / "suite_drafts").glob(f"*/{run}")
    forked = desk.do("fork", str(root), "draft")
    assert "a fork would show it" in forked.stderr
    assert not (desk.place / "runs" / run).exists()
    branches = git(desk.place, "for-each-ref")
    assert "attractor" not in branches


def test_an_agent_that_answers_prose_drafted_nothing(desk: ProjectDesk) -> None:
    specify(desk.place, specification(2))
    with in_background(ProviderTwin(script({"NOTES.md": "All is clear."}))) as desk.twin:
        done = desk.do("suite", "draft", "scenarios/words", "--from", "SPEC.md", *MODEL)
    assert done.returncode != 0
    assert "wrote nothing in draft/" in done.stderr
    missing = desk.do("suite", "draft", "scenarios/words", "--from", "OTHER.md", *MODEL)
    assert "OTHER.md is not in the last commit" in missing.stderr


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    project = make_project(tmp_path / "project")
    specify(project, specification(3))
    return OpenProject(adjusted(open_project(project), tell=list[str]().append))


def draft(opened: OpenProject, files: Mapping[str, str | None]) -> Path:
    """Write the drafts of three sentences, with other files (None: without it)."""
    right = {path.removeprefix("draft/"): text for path, text in drafted(3).items() if "/" in path}
    lines = program(3).splitlines()
    new = "".join(f"+{line}\n" for line in lines)
    right[REFERENCE] = (
        "diff --git a/words.py b/words.py\nnew file mode 100644\n--- /dev/null\n+++ b/words.py\n"
        f"@@ -0,0 +1,{len(lines)} @@\n{new}"
    )
    right["suite.toml"] = 'name = "words"\npipeline = "*"\n'
    merged = {path: text for path, text in {**right, **files}.items() if text is not None}
    return write_files(opened.project.root.parent / "drafted", merged)


def faults(opened: OpenProject, files: Mapping[str, str | None]) -> Faults:
    return asyncio.run(find_faults(draft(opened, files), opened, sandbox="none"))


def test_right_drafts_have_no_fault(opened: OpenProject) -> None:
    assert faults(opened, {}) == {}


RIGHT = program(3)
DEAD = patch(RIGHT, RIGHT.replace("import sys", "import nothing"))
EQUAL = patch(RIGHT, RIGHT + "# The same.\n")
LOST = patch(RIGHT.replace("w0", "w8"), program(3, without=0))
TWICE = requirements(1).split("\n", 1)[1]
W0, W1 = "holdout/word-0.scenario.toml", "holdout/word-1.scenario.toml"


@table(
    ("files", "id_", "words"),
    [
        (
            {W0: scenario(0).replace("w0", "w1").replace("meaning 0", "meaning 1")},
            "word-0",
            "proves_nothing",
        ),
        ({W0: scenario(0).replace('["s0"]', '["s1"]')}, "word-0", "proves_nothing"),
        ({W0: scenario(0).replace('["s0"]', '["s9"]')}, "word-0", "unknown requirement 's9'"),
        ({W0: scenario(0).replace('proves = ["s0"]\n', "")}, "word-0", "names no sentence"),
        ({W0: scenario(0).replace('baseline = "fail"', 'baseline = "pass"')}, "word-0", "baseline"),
        ({W0: scenario(0, answer="meaning 7")}, "word-0", "reference: "),
        (
            {
                W0: scenario(0)
                .replace('kind = "stdout"', 'kind = "exit"')
                .replace('equals = "meaning 0\\n"', "equals = 2")
            },
            "word-0",
            "reference",
        ),
        ({W0: scenario(0).replace("equals", "equal")}, "word-0", "equal"),
        ({W0: scenario(0).replace("[[checks]]", "[[check]]")}, "word-0", "unknown key check"),
        ({W0: scenario(0).replace('step = "ask"', 'step = "other"')}, "word-0", "other"),
        ({W0: "Ann asks for a word.\n"}, "word-0", "word-0.scenario.toml"),
        (
            {W0: scenario(0).replace("tags", "tags") + "\n", W1: scenario(1, id_="word-0")},
            "word-1",
            "the same id",
        ),
        ({"wrong/s0.patch": None}, "word-0", "no wrong solution breaks s0"),
        ({REFERENCE: None}, EVERYTHING, "unknown reference"),
        ({"wrong/s0.patch": DEAD}, "wrong/s0", "says nothing"),
        ({"wrong/s0.patch": EQUAL}, "wrong/s0", "passes all holdouts"),
        (
            {"wrong/s0.patch": LOST},
            "wrong/s0",
            "does not apply",
        ),
        ({"wrong/s9.patch": breaking(0)}, "wrong/s9", "no wrong solution has this id"),
        ({"wrong/s0.patch": "I would break it.\n"}, "wrong/s0", "apply"),
        (
            {"requirements.toml": requirements(3).replace("meaning 0.", "meaning zero.")},
            "word-0",
            "SPEC.md of the last commit lacks s0",
        ),
        ({"requirements.toml": "There are three sentences.\n"}, EVERYTHING, "requirements.toml"),
        (
            {"requirements.toml": requirements(3) + requirements(1).split("\n", 1)[1]},
            EVERYTHING,
            "duplicate id",
        ),
        (
            {W0: scenario(0).replace("Ann asks for word 0", "Ann asks for word 1")},
            "word-1",
            "the same story",
        ),
    ],
)
def test_a_wrong_draft_is_named(
    opened: OpenProject, files: Mapping[str, str | None], id_: str, words: str
) -> None:
    folder = draft(opened, {})
    shutil.rmtree(folder)
    found = faults(opened, files)
    assert words in "\n".join(found.get(id_, ())), found
    assert all(one.faults for one in parts_of(SuiteDraft("r", folder, found)) if one.id == id_)


def drafts(opened: OpenProject, **found: list[str]) -> SuiteDraft:
    return SuiteDraft("r", draft(opened, {}), found)


def test_a_part_with_a_fault_is_not_taken(opened: OpenProject, tmp_path: Path) -> None:
    mine = drafts(opened, **{"word-0": ["it is wrong"]})
    with pytest.raises(Refused, match="it is wrong"):
        take(mine, part_named(mine, "word-0"), tmp_path / "suite")
    assert not (tmp_path / "suite").exists()
    with pytest.raises(UsageError, match="unknown draft"):
        part_named(mine, "word-7")


def test_a_part_that_needs_another_one_waits_for_it(opened: OpenProject, tmp_path: Path) -> None:
    mine, suite = drafts(opened), tmp_path / "suite"
    for early in ("reference", "wrong/s0"):
        with pytest.raises(Refused, match="cannot be taken now"):
            take(mine, part_named(mine, early), suite)
    assert not suite.exists()
    for one in ("word-0", "reference", "wrong/s0"):
        take(mine, part_named(mine, one), suite)
    read = read_suite(suite)
    assert [*read.requirements.by_id] == ["s0"]
    assert [one.breaks for one in read.settings.wrong] == ["s0"]
    assert {one.id for one in waiting(mine, suite)} == {"word-1", "word-2", "wrong/s1", "wrong/s2"}
    write_files(suite, {"requirements.toml": requirements(1).replace("meaning 0", "another")})
    write_files(suite, {"holdout/word-1.scenario.toml": "another"})
    with pytest.raises(UsageError, match="exists with another content"):
        take(mine, part_named(mine, "word-1"), suite)


def test_a_take_that_is_killed_leaves_a_valid_suite(desk: ProjectDesk) -> None:
    specify(desk.place, specification(2))
    with in_background(ProviderTwin(script(drafted(2)))) as desk.twin:
        done = desk.do("suite", "draft", "scenarios/words", "--from", "SPEC.md", *MODEL, "--json")
        run = json.loads(done.stdout)["run"]
        suite = desk.place / "scenarios" / "words"
        take = ("suite", "take", run, "scenarios/words")
        steps = 1
        while steps:
            shutil.rmtree(suite, ignore_errors=True)
            assert desk.do(*take, "word-0").returncode == 0
            process = begin_prepared(
                [str(steps), *take, "word-1"],
                folder=desk.place,
                variables=desk.environ,
                program=DYING,
            )
            was_killed = process.wait(PATIENCE_S) == -signal.SIGKILL
            ids = {one.id for one in read_suite(suite).scenarios}
            assert ids in ({"word-0"}, {"word-0", "word-1"})
            assert desk.do(*take, "word-1").returncode == 0
            assert {one.id for one in read_suite(suite).scenarios} == {"word-0", "word-1"}
            steps = steps + count(ci=25, full=1) if was_killed else 0


def test_a_person_reads_and_takes_drafts_at_a_terminal_of_40_columns(desk: ProjectDesk) -> None:
    specify(desk.place, specification(2))
    files = {**drafted(2)}
    files["draft/holdout/word-1.scenario.toml"] = scenario(1).replace("Ann", "long " * 20)
    with in_background(ProviderTwin(script(files))) as desk.twin:
        done = desk.do("suite", "draft", "scenarios/words", "--from", "SPEC.md", *MODEL, "--json")
    words = ["attractor", "suite", "take", json.loads(done.stdout)["run"], "scenarios/words"]
    narrow = {**desk.environ, "COLUMNS": "40"}
    with sit(words, cwd=desk.place, environ=narrow) as person:
        for number, answer in enumerate(("take", "skip", "quit"), 1):
            person.until(f"{number} of 5")
            person.until_again("Take it?", number)
            person.type(f"{answer}\n")
        assert person.ends_with() == 0
    assert "wrote scenarios/words/holdout/word-0.scenario.toml" in person.shown
    assert "4 drafts left" in person.shown
    story = person.shown.split("2 of 5")[1].split("proves")[0]
    assert "  |   long long" in story
    assert max(map(len, story.splitlines())) <= 40
