"""An actor is changed, renamed, cloned and taken back, and keeps its conversation and its files."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import open_project
from attractor.factory.operator_process import Scope
from attractor.twins.script.script import Rule, When
from attractor.worlds.submit import runs_in
from tests.agent.twinned import MODELS, says, use, uses
from tests.cli.test_agent import EDITS, ProjectDesk, desk_with, steps
from tests.external_agents.test_approvals import TOKEN, AskedDesk
from tests.patience import wait_until
from tests.tables import table
from tests.worlds.test_actors import MODEL, actors, commit_all, twin

REFUSED = 4


def desk_in_git(folder: Path) -> ProjectDesk:
    desk = desk_with(folder)
    subprocess.run(["git", "init", "-q"], cwd=desk.place, check=True)
    (desk.place / ".gitignore").write_text("runs/\n")
    commit_all(desk.place)
    return desk


def fixing() -> list[Rule]:
    """Return the rules of a model that fixes a sum, and says what it fixed."""
    asked = When(last_user="what", words="Fixed add")
    return [
        *steps("fix", uses(EDITS["openai"]), says("Fixed add.")),
        Rule(when=asked, answer=says("I fixed add.")),
        Rule(when=When(last_user="what"), answer=says("I know of nothing.")),
    ]


def ask(desk: ProjectDesk, name: str) -> str:
    asked = desk.do("message", "send", name, "what was it?", "--wait")
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.strip()


def spawn(desk: ProjectDesk) -> None:
    spawned = desk.do("actor", "spawn", "fix the sum", "--name", "fixer", *MODEL)
    assert spawned.returncode == 0, spawned.stderr
    desk.do("actor", "wait", "fixer", "--timeout", "60s")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_another_model_goes_on_in_the_conversation(tmp_path: Path, provider: str) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        changed = desk.do("actor", "change", "fixer", "--model", MODELS[provider])
        assert changed.returncode == 0, changed.stderr
        assert MODELS[provider] in changed.stdout
        assert ask(desk, "fixer") == "I fixed add."
        assert desk.twin.requests[-1].model == MODELS[provider]


def test_another_program_reads_the_conversation_as_text(tmp_path: Path) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        changed = desk.do("actor", "change", "fixer", "--with", "simulate")
        assert changed.returncode == 0, changed.stderr
        assert "simulate continues no session of agent" in changed.stderr
        ask(desk, "fixer")
    [actor] = actors(desk)
    [manifest] = (desk.place / "runs" / actor["last_run"]).glob("manifest.json")
    options = json.loads(manifest.read_text())["options"]
    assert "Fixed add." in options["goal"]
    assert not options.get("model")


@pytest.mark.parametrize(
    ("words", "status", "remedy"),
    [
        ((), 2, "name a value"),
        (("--with", "codx"), 2, "codx"),
        (("--agent", "nobody"), 2, "nobody"),
        (("--sandbox", "walls"), 2, "walls"),
        (("--model", "x", "--provider", "groq"), 2, "GROQ_API_KEY"),
    ],
)
def test_change_that_could_not_begin_is_refused(
    tmp_path: Path, words: tuple[str, ...], status: int, remedy: str
) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        before = actors(desk)
        refused = desk.do("actor", "change", "fixer", *words)
        assert (refused.returncode, remedy in refused.stderr) == (status, True), refused.stderr
        assert actors(desk) == before


def test_actor_is_let_ask_and_its_rules_are_kept(tmp_path: Path) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        unable = desk.do("actor", "change", "fixer", "--permissions", "ask", "--with", "command")
        assert (unable.returncode, "it cannot ask before" in unable.stderr) == (2, True)
        changed = desk.do("actor", "change", "fixer", "--permissions", "ask")
        assert changed.returncode == 0, changed.stderr
        assert "asks before its tool calls" in changed.stdout
        ruled = ("--allow", "Bash(pytest *)", "--deny", "Edit(docs/*)")
        assert desk.do("actor", "rules", "fixer", *ruled).returncode == 0
        removed = desk.do("actor", "rules", "fixer", "--remove", "Bash(pytest *)", "--json")
        assert json.loads(removed.stdout) == {
            "permissions": "ask",
            "rules": {"Edit(docs/*)": "deny"},
            "of_task": [],
        }
        for words in (("--remove", "Bash"), ("--allow", "Bash("), ("--allow", "A", "--deny", "A")):
            assert desk.do("actor", "rules", "fixer", *words).returncode == 2
        assert desk.do("actor", "clone", "fixer", "other").returncode == 0
        kept = json.loads(desk.do("actor", "rules", "other", "--json").stdout)
        assert kept["rules"] == {"Edit(docs/*)": "deny"}


def test_refusal_during_a_task_outlives_an_answer_of_the_task(tmp_path: Path) -> None:
    desk = AskedDesk(tmp_path)
    desk_with(tmp_path)
    tokens, now = TokenStore(desk.folder / "state"), datetime.now(UTC)
    tokens.create("ann", Scope.OPERATE, TOKEN, by="ann", now=now)
    long = f"touch {'c' * 99}z"
    calls = [uses(use("shell", {"command": one})) for one in ("touch a", "touch b", long)]
    place = ("--name", "one", "--in", "in-place", "--permissions", "ask", *MODEL)
    with twin(desk, *steps("do it", *calls, says("Done."))):
        assert desk.do("actor", "spawn", "do it", *place).returncode == 0
        for number in (1, 2):
            desk.await_question()
            desk.say("always")
            wait_until(lambda number=number: len(desk.used()) == number)
        desk.await_question()
        assert re.search(r"… c+z$", desk.do("attention").stdout, re.MULTILINE)
        listed = desk.do("actor", "rules", "one").stdout
        assert re.findall(r"Bash\(touch .\) +allow, of the task in work", listed)
        for words in (("--deny", "Bash(touch a)"), ("--remove", "Bash(touch b)")):
            assert desk.do("actor", "rules", "one", *words).returncode == 0
        desk.say("always")
        assert desk.done() == "Done."
        ruled = json.loads(desk.do("actor", "rules", "one", "--json").stdout)
        assert ruled["rules"] == {"Bash(touch a)": "deny", f"Bash({long})": "allow"}


CODEX = """#!/bin/sh
[ "$1" = --version ] && exit
echo "$*" >> arguments.txt
echo '{"type": "item.completed", "item": {"id": "0", "type": "agent_message", "text": "Done."}}'
"""


class CodexDesk(ProjectDesk):
    """A desk with a codex that notes its arguments."""

    @property
    def environ(self) -> dict[str, str]:
        own = super().environ
        return {**own, "PATH": f"{self.folder}:{own['PATH']}", "OPENAI_API_KEY": "sk-of-the-person"}

    def arguments(self) -> list[str]:
        return (self.place / "arguments.txt").read_text().splitlines()


def test_program_gets_the_arguments_of_its_actor_on_each_task(tmp_path: Path) -> None:
    desk = CodexDesk(tmp_path)
    desk.place.mkdir()
    program = tmp_path / "codex"
    program.write_text(CODEX)
    program.chmod(0o755)
    where = ("--with", "codex", "--in", "in-place", "--sandbox", "none")
    with twin(desk):
        extra = ("-c", "model_verbosity=low")
        spawned = desk.do("actor", "spawn", "go", "--name", "coder", *where, "--", *extra)
        assert spawned.returncode == 0, spawned.stderr
        desk.do("message", "send", "coder", "again", "--wait")
        given = [line.startswith("exec -c model_verbosity=low --json") for line in desk.arguments()]
        assert given == [True, True]
        assert "arguments -c model_verbosity=low" in desk.do("actor", "show", "coder").stdout
        refused = desk.do("actor", "change", "coder", "--", "--sandbox", "read-only")
        assert (refused.returncode, "codex cannot get --sandbox" in refused.stderr) == (2, True)
        none = desk.do("actor", "change", "coder", "--with", "simulate", "--", *extra)
        assert (none.returncode, "simulate takes no arguments" in none.stderr) == (2, True)
        changed = desk.do("actor", "change", "coder", "--with", "codex", "--json")
        assert json.loads(changed.stdout)["arguments"] == [], changed.stderr
        desk.do("message", "send", "coder", "last", "--wait")
    assert "model_verbosity" not in desk.arguments()[-1]
    assert "changed by " in desk.do("actor", "show", "coder").stdout


def test_renamed_actor_keeps_conversation_and_files(tmp_path: Path) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        desk.do("actor", "spawn", "what", "--name", "other", "--in", "in-place", *MODEL)
        taken = desk.do("actor", "rename", "fixer", "other")
        assert (taken.returncode, "other exists already" in taken.stderr) == (REFUSED, True)
        invalid = desk.do("actor", "rename", "fixer", "../up")
        assert invalid.returncode == 2
        renamed = desk.do("actor", "rename", "fixer", "mender", "--json")
        assert json.loads(renamed.stdout)["name"] == "mender", renamed.stderr
        assert ask(desk, "mender") == "I fixed add."
    assert sorted(one["name"] for one in actors(desk)) == ["mender", "other"]
    [mender] = [one for one in actors(desk) if one["name"] == "mender"]
    assert (mender["dimension"], mender["answered"]) == ("fixer", 2)
    assert "return a + b" in (Path(mender["folder"]) / "calc.py").read_text()


def test_clone_has_conversation_and_files_and_changes_only_its_own(tmp_path: Path) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        [fixer] = actors(desk)
        (Path(fixer["folder"]) / "new file.txt").write_text("new")
        made = json.loads(desk.do("actor", "clone", "fixer", "twin", "--json").stdout)
        assert made["dimension"] == "twin"
        place = Path(made["folder"])
        assert "return a + b" in (place / "calc.py").read_text()
        assert (place / "new file.txt").read_text() == "new"
        diffs = [desk.do("dimension", "diff", name).stdout for name in ("fixer", "twin")]
        assert diffs[0] == diffs[1].replace("twin", "fixer")
        (place / "calc.py").write_text("mine")
        assert ask(desk, "twin") == "I fixed add."
        assert desk.do("actor", "clone", "fixer", "twin").returncode == REFUSED
        again = json.loads(desk.do("actor", "clone", "twin", "third", "--json").stdout)
        assert (Path(again["folder"]) / "calc.py").read_text() == "mine"
    answered = [one["last_run"] for one in actors(desk) if one["last_run"]]
    opened = open_project(desk.place, desk.environ)
    third = DimensionRecords.of(opened).find("third")
    # What the first actor read is in the files of the last one.
    assert {one.run_id for one in runs_in(third, opened)} == {*answered}
    assert "return a + b" in (Path(fixer["folder"]) / "calc.py").read_text()


def test_clone_that_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        settings = desk.place / "attractor.toml"
        settings.write_text('[workspace]\nsetup = "false"\n')
        assert desk.do("actor", "clone", "fixer", "twin").returncode != 0
        settings.unlink()
        [one] = json.loads(desk.do("dimension", "list", "--json").stdout)
        assert one["name"] == "fixer"
        made = desk.do("actor", "clone", "fixer", "twin")
        assert made.returncode == 0, made.stderr


def test_archived_actor_is_taken_back_unless_its_files_are_gone(tmp_path: Path) -> None:
    desk = desk_in_git(tmp_path)
    with twin(desk, *fixing()):
        spawn(desk)
        assert desk.do("actor", "archive", "fixer").returncode == 0
        sent = desk.do("message", "send", "fixer", "what")
        assert "attractor actor unarchive fixer" in sent.stderr
        assert "unarchive" in desk.do("actor", "change", "fixer", *MODEL).stderr
        assert desk.do("actor", "unarchive", "fixer").returncode == 0
        assert desk.do("actor", "unarchive", "fixer").returncode == REFUSED
        assert ask(desk, "fixer") == "I fixed add."
        assert desk.do("actor", "remove", "fixer", "--force").returncode == 0
        gone = desk.do("actor", "unarchive", "fixer")
        assert (gone.returncode, "was removed" in gone.stderr) == (REFUSED, True)
        desk.do("dimension", "add", "fixer")
        # Another dimension of the same name has other files.
        again = desk.do("actor", "unarchive", "fixer")
        assert again.returncode == REFUSED
        gone = desk.do("actor", "clone", "fixer", "again")
        assert gone.returncode == REFUSED, gone.stderr


BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
COPY = Dimension(
    name="copy",
    kind="worktree",
    folder="/copy",
    created=BEGAN + 2 * HOUR,
    origins=["first", "/first"],
    worked_since=BEGAN,
)
ISOLATED = Dimension(name="apart", kind="isolated", created=BEGAN)


@table(
    ("of", "place", "hours", "is_work"),
    [
        (COPY, ("copy", ""), 3, True),
        (COPY, ("", "/copy"), 3, True),
        (COPY, ("copy", ""), 1, False),
        (COPY, ("first", ""), 1, True),
        (COPY, ("", "/first"), 1, True),
        # What is done there later is not in its files.
        (COPY, ("first", ""), 3, False),
        (COPY, ("first", ""), -1, False),
        (ISOLATED, ("apart", ""), 1, True),
        (ISOLATED, ("", "/elsewhere"), 1, False),
        (ISOLATED, ("", ""), 1, False),
    ],
)
def test_work_in_a_dimension_and_in_those_it_is_a_copy_of(
    of: Dimension, place: tuple[str, str], hours: int, is_work: bool
) -> None:
    assert of.has_work_of(*place, BEGAN + hours * HOUR) is is_work


def test_clone_of_a_folder_without_git_is_compared_with_the_same_base(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with twin(desk, *fixing()):
        assert desk.do("dimension", "add", "fixer", "--kind", "directory").returncode == 0
        desk.do("actor", "spawn", "fix the sum", "--name", "fixer", "--in", "fixer", *MODEL)
        desk.do("actor", "wait", "fixer", "--timeout", "60s")
        made = desk.do("actor", "clone", "fixer", "twin")
        assert made.returncode == 0, made.stderr
        assert "return a + b" in desk.do("dimension", "diff", "twin").stdout
        refused = desk.do("actor", "remove", "twin")
    assert (refused.returncode, "would be lost" in refused.stderr) == (REFUSED, True)
