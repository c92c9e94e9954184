"""The documentation is complete, its links have targets, and its examples run."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import click
import pytest

from attractor.base.errors import ExitCode
from attractor.cli.invocation import build_root, command_registry
from attractor.config.schema import SettingReference, list_settings
from attractor.config.settings import Settings
from attractor.engine.run_folder.layout import NAMES
from attractor.factory.gate_records import RULES
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operator_process import Scope
from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.counts import IS_FULL
from tests.examples import (
    BESIDE,
    HOW_TO,
    LANGUAGES,
    NETWORK,
    NEXT_PAGES,
    PAGES,
    ROOT,
    RUNBOOKS,
    SITUATED,
    TYPED,
    Fence,
    fences,
    matches,
    play,
)
from tests.factory.registration.drafted import patch, writing
from tests.forges import hub
from tests.needs import require
from tests.pipeline.projects import git
from tests.repositories import begin_repository
from tests.tables import table

REFERENCE = ROOT / "docs" / "reference"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def without_fences(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


@table("name", list(command_registry()))
def test_every_command_is_documented(name: str) -> None:
    heading = f"## attractor {name.replace('.', ' ')}\n"
    assert heading in (REFERENCE / "commands.md").read_text("utf-8")


@table("setting", list_settings(Settings))
def test_every_setting_is_documented(setting: SettingReference) -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    assert f"| `{setting.key}` |" in page
    assert f"`{setting.variable}`" in page


@table("code", list(ExitCode))
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    page = (REFERENCE / "exit-codes.md").read_text("utf-8")
    assert f"| {int(code)} | {code.meaning} |" in page


@table(
    ("page", "names"),
    [("gate", RULES), ("ledger", LineKind), ("ledger", Scope), ("sandboxes", NAMES)],
    ids=["rules of the gate", "lines of the ledger", "scopes", "promises"],
)
def test_every_name_in_a_record_is_documented(page: str, names: Iterable[str]) -> None:
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    assert [one for one in names if f"`{one}`" not in text] == []


SHELL = re.compile(
    r"^(\$ |(attractor|cat|cd|cp|curl|docker|echo|export|git|make|mkdir|npm|pip|pipx|uv) )", re.M
)
# Third-party programs that a test cannot install.
LONG = ROOT / "docs" / "tutorial" / "living-app.md"
"""A page that deploys an app four times, played at full counts only."""

NEEDED = {"curl": r"^\$ .*\bcurl ", "bubblewrap": r"^\$ attractor (exec|judge --suite booking) "}
"""Programs that examples need, and that may be missing, with a pattern of their examples."""

OFFLINE = {
    "README.md",
    "docs/how-to/approve-what-an-agent-does.md",
    "docs/how-to/bedrock-azure-vertex.md",
    "docs/how-to/execute-snippets.md",
    "docs/how-to/give-a-mission.md",
    "docs/how-to/install.md",
    "docs/how-to/let-agents-lead-agents.md",
    "docs/how-to/macos-and-windows.md",
    "docs/how-to/open-pull-requests.md",
    "docs/how-to/outside-agents.md",
    "docs/how-to/sandbox-elsewhere.md",
    "docs/how-to/take-over-an-agent.md",
    "docs/how-to/teach-coding-agents.md",
    "docs/how-to/trace-a-run.md",
    "docs/how-to/use-a-local-model.md",
    "docs/how-to/use-an-editor.md",
    "docs/how-to/use-many-machines.md",
    "docs/how-to/work-over-ssh.md",
    "docs/how-to/work-in-containers.md",
    "docs/tutorial/first-steps.md",
}


COUNT = """sed -i 's/^        case \\["list"\\]:/        case ["count"]:\\n\
            print(len(load()))\\n&/' todo.py"""
"""The change of the agent of the README."""


_HOTEL = """import sys
if int(sys.argv[2]) > 2:
    print("at most two")
else:
    print("room", sys.argv[1])
"""
_ASKS = """id = "{id}"
title = "{title}"
story = "Ann books {words}."
proves = ["{proves}"]
[[steps]]
name = "book"
run = "python3 hotel.py {words}"
[[checks]]
kind = "stdout"
step = "book"
equals = "{answer}\\n"
"""
HOTEL = {
    "hotel.py": _HOTEL,
    "draft/requirements.toml": 'spec = "SPEC.md"\n'
    '[[requirement]]\nid = "beds"\nsentence = "A room has at most two beds."\nat = "Hotel"\n'
    '[[requirement]]\nid = "room"\nsentence = "A booking prints the number of its room."\n',
    "draft/holdout/third-bed.scenario.toml": _ASKS.format(
        id="third-bed",
        title="A third bed is refused",
        words="7 3",
        proves="beds",
        answer="at most two",
    ),
    "draft/holdout/own-room.scenario.toml": _ASKS.format(
        id="own-room", title="The room is printed", words="8 1", proves="room", answer="room 8"
    ),
    "draft/wrong/beds.patch": patch(_HOTEL, _HOTEL.replace("> 2", "> 9"), "hotel.py"),
    "draft/wrong/room.patch": patch(_HOTEL, _HOTEL.replace(", sys.argv[1]", ""), "hotel.py"),
}
"""What the agent of *Begin with a specification* writes."""


LESSON = {
    "what": "Sort notes by name, not by date",
    "why": "two notes of one day changed places",
}


def tool_call(task: str, name: str, step: int = 0, first: int | None = None, **given: str) -> Rule:
    call = {"name": name, "arguments": given}
    answer = {"tool_calls": [call]}
    return Rule.model_validate(
        {"when": {"first_user": task, "step": step}, "answer": answer, "first": first}
    )


def answered(question: str) -> Rule:
    """Return the answer to the question of *Ask about your factory*: true, false, and a guess."""
    failed = {"name": "runs_by_state", "state": "failed"}
    queued = {"name": "queue_length", "branch": "main"}
    statements = [
        {"text": "1 run failed.", "figures": [{"value": 1, "query": failed}]},
        {"text": "7 runs wait to land on main.", "figures": [{"value": 7, "query": queued}]},
        {"text": "The tests look fragile."},
    ]
    call = {"name": "answer", "arguments": {"statements": statements}}
    answer, when = {"tool_calls": [call]}, {"first_user": question, "step": 0}
    return Rule.model_validate({"when": when, "answer": answer})


def repaired() -> Iterator[Rule]:
    """Yield the proposal of *Ask about your factory*, with a quote of the start of the run."""
    pipeline = (ROOT / "docs/how-to/ask-about-your-factory.md").read_text("utf-8")
    text = pipeline.partition('title="pipeline.dot"\n')[2].partition("```")[0]
    arguments = {
        "reason": "The test looks for a word that nobody wrote.",
        "cites": [{"run": "latest", "seq": 1, "quote": "booting"}],
        "files": [{"path": "pipeline.dot", "content": text.replace("grep -q bye", "grep -q Ann")}],
    }
    statements = [{"text": "The test looks for a word that nobody wrote."}]
    for step, call in enumerate(
        [
            {"name": "propose", "arguments": arguments},
            {"name": "answer", "arguments": {"statements": statements}},
        ]
    ):
        when = {"first_user": "Find out why run", "step": step}
        yield Rule.model_validate({"when": when, "answer": {"tool_calls": [call]}})


@pytest.fixture(scope="module")
def models() -> Iterator[Mapping[str, str]]:
    """Serve a model that breaks the program of the README once, and is ready otherwise."""
    rules = (
        tool_call("Implement the plan, with", "shell", first=1, command="echo broken >> todo.py"),
        tool_call("Implement the plan, with", "shell", command="sed -i '/^broken$/d' todo.py"),
        tool_call("Implement the plan, with", "report_outcome", 1, outcome="success"),
        tool_call("Plan this change", "report_outcome", outcome="success"),
        tool_call("add the command count", "shell", command=COUNT),
        tool_call("Review this change", "report_outcome", outcome="success"),
        tool_call("Draft a suite from", "shell", command=writing(HOTEL)),
        answered("why is nothing moving?"),
        tool_call("Sort the notes", "propose_lesson", 0, 1, **LESSON),
        *repaired(),
        Rule(answer=Answer(text="ready")),
    )
    with in_background(ProviderTwin(Script(rules=rules))) as twin:
        yield {name: one for name, one in twin.environ().items() if name.startswith("ANTHROPIC")}


@pytest.mark.parametrize(
    "page",
    [
        one
        for one in PAGES
        if one.parent != RUNBOOKS
        and one not in [*SITUATED, *LANGUAGES, *chain.from_iterable(NEXT_PAGES.values())]
        and fences("console", page=one)
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_shell_example_of_a_page_runs_and_prints_what_it_says(
    page: Path, models: Mapping[str, str], tmp_path: Path
) -> None:
    if page == LONG and not IS_FULL:
        pytest.skip("deploys an app for a minute or more; set COUNTS=full")
    typed = "\n".join(one.text for one in fences("console", page=page))
    for program, pattern in NEEDED.items():
        if re.search(pattern, typed, re.M):
            require(program)
    folder = prepare(page, tmp_path)
    environ = {**models, "HOME": str(tmp_path), "ATTRACTOR_WORKSPACES_DIR": str(tmp_path)}
    play(page, folder, environ, next_pages=NEXT_PAGES.get(page, ()))
    if page == ROOT / "README.md":
        play_with_forge(fences("console", page=page)[-1].text, folder, environ)


def prepare(page: Path, tmp_path: Path) -> Path:
    """Make the project in which the examples of a page are typed."""
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / ".gitconfig").write_text("[user]\nname = you\nemail = you@localhost\n")
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    if page.parent == ROOT / "pipelines":
        for name in ("examples", "pipelines"):
            (folder / name).symlink_to(ROOT / name)
    if page == ROOT / "README.md":
        shutil.copytree(ROOT / "examples" / "todo", folder, dirs_exist_ok=True)
        begin_repository(folder)
        git(folder, "add", "--all", "--", ":!.venv")
        git(folder, "commit", "--message", "Begin")
    if page.parent == HOW_TO:
        begin_repository(folder)
        git(folder, "commit", "--allow-empty", "--message", "Begin")
        (folder / "notes.txt").write_text("Ann asked for it.\n")
        git(folder, "add", "notes.txt")
        git(folder, "commit", "--message", "Keep a note")
    return folder


def play_with_forge(block: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Run commands at a twin of GitHub, where a reviewer remarks something before `pr next`."""
    winner = """$(attractor race show --json | sed -n 's/.*"winner": "\\(.*\\)".*/\\1/p')"""
    # A test cannot install claude and codex.
    text = block.replace("6 --with claude,codex,agent", "2").replace("RUN", winner)
    served = f'```console title="{BESIDE}"\n$ attractor serve\n```\n'
    first, following = text.replace("$ attractor serve\n", "").split("$ attractor pr next")
    page = folder.parent / "page.md"
    with hub() as forge:
        forge.publish(folder)
        for part in (first, f"$ attractor pr sync\n$ attractor pr next{following}"):
            page.write_text(f'{served}```console title="{TYPED}"\n{part}```\n')
            play(page, folder, {**environ, **forge.environ()})
            forge.say(1, "Name it in the usage.")


def test_first_page_about_agents_that_stay_needs_no_word_of_the_second() -> None:
    for page, [following] in NEXT_PAGES.items():
        words = re.compile(r"\b(world|universe|dimension)s?\b", re.I)
        assert words.findall(page.read_text("utf-8")) == []
        assert words.search(following.read_text("utf-8"))


def test_pipeline_of_the_readme_is_the_drawn_one() -> None:
    [shown] = [one.text for one in fences("dot", page=ROOT / "README.md")]
    assert shown == (ROOT / "docs" / "pictures" / "run" / "wish.dot").read_text("utf-8")


def test_no_shell_example_is_hidden_from_the_tests() -> None:
    for fence in fences():
        assert fence.language, fence.name
        assert fence.language not in ("bash", "shell", "shell-session", "zsh"), fence.name
        is_file = fence.title and fence.language != "console"
        if fence.language == "sh" or (fence.language == "text" and "reference" not in fence.name):
            assert is_file or not SHELL.search(fence.text), fence.name
    offline = {str(one.page.relative_to(ROOT)) for one in fences() if one.title == NETWORK}
    assert offline <= OFFLINE


def test_every_command_that_a_page_names_exists() -> None:
    examples = [ROOT / "CONTRIBUTING.md"]  # names a command that the reader will write
    named = {
        (str(page.relative_to(ROOT)), " ".join(words.split()))
        for page in PAGES
        if page not in examples
        for words in re.findall(r"(?<!`)`attractor\s+([a-z][^`|]+)", without_fences(page))
    }
    assert [(page, words) for page, words in sorted(named) if not is_command(words)] == []
    assert is_command("fork RUN NODE --graph FILE")
    assert not is_command("fork RUN --at NODE")
    assert not is_command("spoon RUN")


OPERATION = re.compile(r"`((?:GET |POST )?/[a-z][^`]*)`")


@table("name", ["factory-on-many-machines", "living-apps", "managing-agents"])
def test_every_wish_has_a_command_or_is_named_as_missing(name: str) -> None:
    page = (ROOT / "docs" / "explanation" / f"{name}.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    wishes = [row for row in rows if row[0] != "wish"]
    shown = re.compile(f"`attractor |not yet|{OPERATION.pattern}")
    assert [wish for wish, *rest in wishes if not shown.search(rest[-1])] == []
    reference = "".join(one.read_text("utf-8") for one in REFERENCE.glob("*.md"))
    assert [one for one in OPERATION.findall(page) if f"`{one}`" not in reference] == []


def is_command(words: str) -> bool:
    """Return whether a command with these options exists."""
    command: click.Command = build_root()
    context = click.Context(command)
    for word in words.partition(" -- ")[0].split():
        if word.startswith("--"):
            if word.partition("=")[0] not in {one for own in command.params for one in own.opts}:
                return False
        elif isinstance(command, click.Group):
            below = command.get_command(context, word)
            if below is None:
                return command.invoke_without_command
            command = below
    return True


def test_different_output_of_an_example_is_detected() -> None:
    assert matches("ended with ...", "ended with 2")
    assert matches("{\n...\n}", '{\n  "a": 1\n}')
    assert not matches("ended with 2", "ended with 1")
    assert not matches("a.b", "a-b")


@table("page", PAGES)
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = [target.split("#")[0] for target in LINK.findall(without_fences(page))]
    local = [target for target in targets if target and not target.startswith("https://")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = list(reached)
    while waiting:
        page = waiting.pop()
        targets = LINK.findall(without_fences(page))
        pages = {(page.parent / one.split("#")[0]).resolve() for one in targets if ".md" in one}
        waiting += pages - reached
        reached |= pages
    assert set(PAGES) <= reached


@pytest.mark.parametrize(
    "fence",
    [one for one in fences("python") if one.page.name == "CONTRIBUTING.md"],
    ids=lambda fence: fence.text.splitlines()[0],
)
def test_parts_of_the_contributing_page_work(fence: Fence, tmp_path: Path) -> None:
    file = fence.text.splitlines()[0].removeprefix("# ")
    shutil.copytree(ROOT / "attractor", tmp_path / "attractor")
    (tmp_path / file).write_text(fence.text)
    command = {"hello": ["hello", "world"], "make": ["doctor"]}[Path(file).stem]
    result = subprocess.run(
        [sys.executable, "-m", "attractor", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert {"hello": "Hello, world", "make": " make "}[Path(file).stem] in result.stdout
