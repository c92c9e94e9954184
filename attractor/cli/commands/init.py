"""Write the first files of a project: settings, pipeline, suite and ignore rules."""

import asyncio
import re
import shlex
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from attractor.backends.models import ProviderKey, read_provider_keys
from attractor.backends.provider_needs import KEYS, WITHOUT_KEY
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, UsageError
from attractor.base.json import Json
from attractor.base.toml import parse_toml
from attractor.cli.doctor import CheckStatus, Machine
from attractor.cli.doctor_checks import bubblewrap, landlock
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.resources import example_option
from attractor.cli.runs.setup import project_of
from attractor.config.projects import find_project_root
from attractor.factory.registration.first_suite import (
    ARROW,
    Example,
    read_example,
    read_examples,
    require_suite_name,
    toml_text,
    write_first_suite,
)
from attractor.pipeline.project.project import Project
from attractor.projects.detection import Language, Toolchain, detect, toolchain_of
from attractor.projects.first_files import (
    IGNORE_FILE,
    PIPELINE,
    PIPELINE_FILE,
    PROFILE_FILE,
    RUNS,
    SETTINGS_FILE,
    SUITES,
    FirstProject,
    Repository,
    Step,
    add_ignore_rules,
    first_files,
    next_steps,
    paths_to_commit,
    write_missing,
)
from attractor.scenarios.suite_files import LOCK_FILE, SUITE_FILE
from attractor.workspaces.git.repository import find_git_dir, find_prefix, open_repository


@dataclass(frozen=True)
class _Wish:
    """The change that agents will make, and examples of it."""

    text: str = ""
    examples: tuple[Example, ...] = ()


@click.command()
@click.argument(
    "folder",
    metavar="[DIR]",
    default=".",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@click.option(
    "--language",
    type=click.Choice([one.value for one in Language]),
    help="Choose the language (default: by the files).",
)
@click.option("--test-command", default="", help="Run the tests with this command.")
@click.option("--wish", default="", help="The change that agents will make, in one sentence.")
@example_option
@click.option("--name", default="", help="Name the suite (default: by the folder).")
@click.option("-y", "--yes", is_flag=True, help="Ask no questions; use the detected values.")
@json_option
@click.pass_obj
def init(
    invocation: Invocation,
    folder: Path,
    language: str | None,
    test_command: str,
    wish: str,
    examples: tuple[str, ...],
    name: str,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Write the first files of a project: settings, pipeline, suite and ignore rules.

    DIR is the folder of the project (default: the current folder). At a terminal, ask for missing
    values. No file is overwritten, and nothing is committed. The output ends with the commands
    from these files to a promoted change.
    """
    name = name or _plain_name(folder.resolve().name)
    require_suite_name(name)
    _require_no_outer_project(folder.resolve())
    suite = f"{SUITES}/{name}"
    is_new = not all((folder / one).exists() for one in (SETTINGS_FILE, PIPELINE_FILE, suite))
    asks = is_new and invocation.has_terminal and not yes and not as_json
    machine = Machine(invocation.environ, folder, invocation.configuration)
    toolchain, given = detect(folder, machine.find), _Wish(wish, read_examples(examples))
    if is_new:
        toolchain = _choose(machine, toolchain, language, test_command, asks=asks)
        given = _ask_wish(given, toolchain) if asks else given
    found = asyncio.run(_look(machine))
    project = FirstProject(
        name,
        (toolchain or Toolchain(Language.SHELL)).below(found.prefix),
        invocation.environ.get("HOME", ""),
        given.text,
        given.examples,
        found.provider,
        found.is_sandboxed,
        found.prefix,
    )
    written, kept = write_missing(folder, first_files(project))
    if (folder / suite).exists():
        kept.append(suite)
    else:
        files = _write_suite(folder / suite, project, project_of(invocation))
        written += [str(file.relative_to(folder)) for file in files]
    ignored = add_ignore_rules(folder, [RUNS, *project.toolchain.ignored])
    settings = parse_toml((folder / SETTINGS_FILE).read_text("utf-8"))
    is_named = settings.get("factory", {}).get("suite") == name
    uncarried = _uncarried(project.toolchain, settings.get("workspace", {}))
    repository = asyncio.run(_repository(machine, paths_to_commit(project)))
    is_sealed = (folder / suite / LOCK_FILE).exists()
    steps = [*next_steps(project, repository, is_named=is_named, is_sealed=is_sealed)]
    if folder.resolve() != invocation.folder.resolve():
        steps.insert(0, Step(f"cd {shlex.quote(str(folder))}", "Go to the project"))
    is_unused = bool((wish and PIPELINE_FILE in kept) or (examples and suite in kept))
    report = _Report(project, found, written, kept, ignored, steps, is_unused, uncarried)
    show_json(report.to_record()) if as_json else show("\n".join(report.lines()))
    return ExitCode.DONE


def _plain_name(words: str) -> str:
    """Return words as the name of a suite."""
    plain = unicodedata.normalize("NFKD", words.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_") or "app"


def _require_no_outer_project(folder: Path) -> None:
    """Refuse to make a project inside of another one, unless it has settings of its own."""
    outer = find_project_root(folder.parent)
    if (outer / SETTINGS_FILE).exists() and not (folder / SETTINGS_FILE).exists():
        raise UsageError(
            f"{folder} is inside of the project {outer}",
            hint=f"type 'attractor init {shlex.quote(str(outer))}'; for a project of its own, "
            f"first write an empty {SETTINGS_FILE} there",
        )


def _choose(
    machine: Machine,
    found: Toolchain | None,
    named: str | None,
    test_command: str,
    *,
    asks: bool,
) -> Toolchain:
    """Return the toolchain with a test command, after asking at a terminal."""
    language = Language(named) if named else None
    if asks and language is None:
        choices = click.Choice([one.value for one in Language])
        default = found.language.value if found else None
        language = Language(click.prompt("Language", default, type=choices, err=True))
    if language and (found is None or language is not found.language):
        found = toolchain_of(language, machine.folder, machine.find)
    if found is None and not test_command:
        raise UsageError(
            f"no known language in {machine.folder}", hint="pass --language or --test-command"
        )
    toolchain = found or Toolchain(Language.SHELL)
    if toolchain.remedy and not test_command:
        raise UsageError(
            "pytest is not installed where a sandbox finds it",
            hint=f"{toolchain.remedy}, then type 'attractor init' again",
        )
    if asks and not test_command:
        known = toolchain.test_command or None
        test_command = click.prompt("Test command", known, err=True)
    if not (test_command or toolchain.test_command):
        raise UsageError("no test command found", hint="pass --test-command")
    return replace(toolchain, test_command=test_command or toolchain.test_command)


def _ask_wish(given: _Wish, toolchain: Toolchain) -> _Wish:
    text = given.text or click.prompt(
        "Which change do you wish, in one sentence? (empty: write it later)",
        default="",
        show_default=False,
        err=True,
    )
    if not text or given.examples:
        return replace(given, text=text)
    show(f"Two examples of it judge the result, each as COMMAND {ARROW} OUTPUT.", err=True)
    if toolchain.build:
        show(f"Before them, the program is built by: {' && '.join(toolchain.build)}", err=True)
    questions = ("An example that agents see", "An example that agents never see")
    return _Wish(text, tuple(_ask_example(question) for question in questions))


def _ask_example(question: str) -> Example:
    def read(text: str) -> Example:
        try:
            return read_example(text)
        except UsageError as error:
            raise click.UsageError(f"{error.message} ({error.hint})") from error

    return click.prompt(question, value_proc=read, err=True)


@dataclass(frozen=True)
class _Found:
    """The facts of this machine; of several providers with a key, one is chosen.

    `prefix` is the path of the folder in its repository, with a slash at the end.
    """

    keys: Sequence[ProviderKey]
    is_sandboxed: bool
    provider: str
    prefix: str


async def _look(machine: Machine) -> _Found:
    keys = [key for key in await read_provider_keys(machine.environ) if key.is_set]
    sandboxes = [*await bubblewrap.examine(machine), *await landlock.examine(machine)]
    is_sandboxed = any(sandbox.standing is CheckStatus.OK for sandbox in sandboxes)
    llm = machine.configuration.settings.llm
    is_chosen = len(keys) < 2 or llm.provider or llm.model
    provider = "" if is_chosen else keys[0].provider
    prefix = await find_prefix(machine.folder, search_path=machine.environ.get("PATH", ""))
    return _Found(keys, is_sandboxed, provider, prefix)


async def _repository(machine: Machine, paths: Sequence[str]) -> Repository:
    path = machine.environ.get("PATH", "")
    if not await find_git_dir(machine.folder, search_path=path):
        return Repository()
    opened = await open_repository(machine.folder, search_path=path)
    branch = await opened.checked_out_branch()
    status = await machine.run("git", "-C", str(machine.folder), "status", "--short", "--", *paths)
    has_commit, is_clean = bool(await opened.ref("HEAD")), not status.stdout
    return Repository(True, has_commit, has_commit and is_clean, branch or "main")


def _uncarried(toolchain: Toolchain, workspace: Mapping[str, Any]) -> list[str]:
    """Return the paths that tests need, and that the settings of the workspace do not carry."""
    carried = [*workspace.get("carry", []), *workspace.get("carry_read_only", [])]
    return [one for one in toolchain.needed if one not in carried]


def _write_suite(folder: Path, first: FirstProject, project: Project) -> list[Path]:
    build, prefix = first.toolchain.build, first.prefix
    return write_first_suite(folder, PIPELINE, project, first.examples, build, prefix)


@dataclass(frozen=True)
class _Report:
    """The result of the command; a wish for files that existed is unused.

    `uncarried` are paths that tests need, and that existing settings do not carry.
    """

    project: FirstProject
    found: _Found
    written: Sequence[str]
    kept: Sequence[str]
    ignored: Sequence[str]
    steps: Sequence[Step]
    is_unused: bool
    uncarried: Sequence[str]

    def lines(self) -> list[str]:
        """Return the result for people."""
        lines = [f"wrote {one}" for one in self.written]
        if self.ignored:
            lines.append(f"added to {IGNORE_FILE}: {' '.join(self.ignored)}")
        lines += [f"exists, unchanged: {one}" for one in self.kept]
        lines += ["", *self._remarks(), "", "Next, one after another:"]
        for number, one in enumerate(self.steps, 1):
            lines += [f"{number:>2}. {one.purpose}:", f"      {one.command}"]
        return lines

    def _remarks(self) -> Iterator[str]:
        if not self.found.keys:
            *others, last = (names[0] for names in KEYS.values())
            yield f"No key of a model provider is set. Set {', '.join(others)} or {last} first;"
            yield f"{WITHOUT_KEY}."
        else:
            names = ", ".join(key.set_by or key.provider for key in self.found.keys)
            chosen = f"; agents ask {self.found.provider}" if self.found.provider else ""
            yield f"Keys of model providers: {names}{chosen}"
        if not self.found.is_sandboxed:
            yield f"No sandbox works here (see attractor doctor): {PROFILE_FILE} permits that."
        suite = f"{SUITES}/{self.project.suite}/{SUITE_FILE}"
        if (build := self.project.toolchain.build) and suite in self.written:
            words = f"the program is built by: {' && '.join(build)} ([setup] in {suite})"
            yield f"Before the examples, {words}"
        if self.uncarried:
            paths = ", ".join(map(toml_text, self.uncarried))
            setting = f"carry_read_only = [{paths}]"
            yield f"Tests need more: add {setting} to [workspace] in {SETTINGS_FILE}."
        if self.is_unused:
            yield "The wish was not written: remove the existing files, and type the command again."
        elif not self.project.examples and self.written:
            yield (
                f"First write your wish into {PIPELINE_FILE}, and commands of your program with "
                f"their results into {SUITES}/{self.project.suite}/."
            )

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the result."""
        return {
            "language": self.project.toolchain.language.value,
            "test_command": self.project.toolchain.test_command,
            "build": [*self.project.toolchain.build],
            "written": [*self.written],
            "kept": [*self.kept],
            "ignored": [*self.ignored],
            "uncarried": [*self.uncarried],
            "keys": [key.provider for key in self.found.keys],
            "sandboxed": self.found.is_sandboxed,
            "next": [{"command": step.command, "purpose": step.purpose} for step in self.steps],
        }


part = init
