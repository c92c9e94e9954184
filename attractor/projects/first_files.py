"""The first files of a project, and the commands from them to a promoted change."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import write_whole
from attractor.factory.registration.first_suite import Example, toml_text
from attractor.language.source.syntax_tree import quoted
from attractor.projects.detection import Toolchain, enter_folder
from attractor.scenarios.suite_files import LOCK_FILE

SETTINGS_FILE = "attractor.toml"
PIPELINE = "feature"
PIPELINE_FILE = f"pipelines/{PIPELINE}.dot"
PROFILE = "local"
PROFILE_FILE = f"profiles/{PROFILE}.toml"
IGNORE_FILE = ".gitignore"
SUITES = "scenarios"
RUNS = "/runs/"
NO_WISH = "Write here which change you wish, in one sentence."
_TEMPLATES = Path(__file__).with_name("templates")
_PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b")


@dataclass(frozen=True)
class Repository:
    """The state of a project's Git repository; `branch` is checked out.

    It is clean if the first files are committed.
    """

    exists: bool = False
    has_commit: bool = False
    is_clean: bool = False
    branch: str = "main"


@dataclass(frozen=True)
class FirstProject:
    """All that the first files depend on; without a wish, pipeline and suite are to be edited.

    `prefix` is the path of the project in its repository, with a slash at the end; "" at the top.
    `provider` is set if the keys of several providers are.
    """

    suite: str
    toolchain: Toolchain
    home: str
    wish: str = ""
    examples: tuple[Example, ...] = ()
    provider: str = ""
    is_sandboxed: bool = True
    prefix: str = ""

    @property
    def profile(self) -> str:
        """The name of the profile that runs on this machine need, or an empty text."""
        return "" if self.is_sandboxed and not self.toolchain.readable else PROFILE


def first_files(project: FirstProject) -> dict[str, str]:
    """Return the files besides suite and ignore rules, by path."""
    goal = project.wish or NO_WISH
    if project.examples:
        shown = project.examples[0]
        command = enter_folder(project.prefix, shown.command)
        goal = f"{goal} For example, `{command}` prints: {shown.output}"
    implement = "Implement the plan, with its tests. Run the tests before you end"
    values = {
        "GOAL": quoted(goal),
        "TEST": quoted(project.toolchain.test_command),
        "IMPLEMENT": quoted(f"{implement}: {project.toolchain.test_command}. The change: $goal"),
        "NEEDED": _toml_list(project.toolchain.needed),
        "SUITE": toml_text(project.suite),
    }
    settings = _template(SETTINGS_FILE, values)
    if project.profile:
        settings += f"profile = {toml_text(PROFILE)} # needed on this machine\n"
    if downloads := project.toolchain.downloads:
        settings += f"\n[caches]\nread = {_toml_list(downloads)} # your downloads, read-only\n"
    if project.provider:
        settings += f"\n[llm]\nprovider = {toml_text(project.provider)}\n"
    files = {SETTINGS_FILE: settings, PIPELINE_FILE: _template(f"{PIPELINE}.dot", values)}
    return files | ({PROFILE_FILE: _profile(project)} if project.profile else {})


def _template(name: str, values: Mapping[str, str]) -> str:
    text = (_TEMPLATES / name).read_text("utf-8")
    return _PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), text)


def _profile(project: FirstProject) -> str:
    lines = ["# What runs need on this machine.", f"name = {toml_text(PROFILE)}"]
    if readable := project.toolchain.readable:
        paths = _toml_list([_below_home(path, project.home) for path in readable])
        lines += ["", "[sandbox]", f"read = {paths} # programs that builds and tests call"]
    if variables := project.toolchain.variables:
        given = (
            f"{name} = {toml_text(_below_home(path, project.home))}"
            for name, path in variables.items()
        )
        lines.append(f"env = {{ {', '.join(given)} }}")
    if not project.is_sandboxed:
        lines += ["", "[policy]", 'allow = ["isolation_unverified"] # no sandbox works here']
    return "\n".join([*lines, ""])


def _below_home(path: Path, home: str) -> str:
    return f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else str(path)


def _toml_list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(toml_text, texts))}]"


def write_missing(folder: Path, files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Write the files that are missing; return the written paths, and the existing ones."""
    kept = [path for path in files if (folder / path).exists()]
    written = [path for path in files if path not in kept]
    for path in written:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / path, files[path])
    return written, kept


def add_ignore_rules(folder: Path, rules: Sequence[str]) -> list[str]:
    """Add missing lines to `.gitignore`, and return them."""
    file = folder / IGNORE_FILE
    # Bytes: line ends and other encodings stay.
    before = file.read_bytes() if file.exists() else b""
    text = before.decode("utf-8", "replace")
    known = {one.strip().strip("/") for one in text.splitlines()}
    new = [rule for rule in rules if rule.strip("/") not in known]
    if new:
        end = "" if text.endswith("\n") or not text else "\n"
        write_whole(file, before + (end + "".join(f"{one}\n" for one in new)).encode())
    return new


def paths_to_commit(project: FirstProject) -> list[str]:
    """Return the paths of the first files."""
    paths = [IGNORE_FILE, SETTINGS_FILE, PIPELINE_FILE, f"{SUITES}/{project.suite}"]
    return [*paths, PROFILE_FILE] if project.profile else paths


@dataclass(frozen=True)
class Step:
    """A command to type, and its purpose."""

    command: str
    purpose: str


def next_steps(
    project: FirstProject, repository: Repository, *, is_named: bool, is_sealed: bool = False
) -> Iterator[Step]:
    """Yield the commands from the first files to a promoted change.

    If the settings do not name suite and profile (`is_named`), the run does. A suite that
    `is_sealed` has its lock file already.
    """
    suite = f"{SUITES}/{project.suite}"
    if not repository.exists:
        yield Step("git init --initial-branch main", "Make a repository")
    added = " ".join(paths_to_commit(project)) if repository.has_commit else "--all"
    if not repository.is_clean:
        commit = f'git add {added} && git commit -m "Add Attractor"'
        yield Step(commit, "Commit the files: runs work on the last commit")
    yield Step(f"attractor validate {PIPELINE_FILE}", "Check the pipeline")
    if project.profile:
        yield Step(f"attractor profile create {PROFILE_FILE}", "Create the profile of this machine")
    yield Step(
        f"attractor suite register {suite}", "Seal the suite, so that no agent can change it"
    )
    if not is_sealed:
        lock = f'git add {suite}/{LOCK_FILE} && git commit -m "Seal the suite"'
        yield Step(lock, "Commit the seal, so that reviewers see which suite judges")
    options = "" if is_named else f" --suite {project.suite}"
    options += f" --profile {PROFILE}" if project.profile and not is_named else ""
    yield Step(f"attractor run {PIPELINE_FILE}{options}", "Let agents make the change")
    yield Step("attractor decide", "Look at the result, and at the verdict of the gate")
    if not project.is_sandboxed:
        # After the run: without a sandbox, an agent might find the token.
        token = 'export ATTRACTOR_TOKEN="$(attractor token create me)"'
        yield Step(token, "Create a token that proves who decides")
    reason = '--reason "It does what I wished."'
    yield Step(f"attractor decide --approve {reason}", "Approve it, if the verdict is go")
    target = "" if repository.branch == "main" else f" --to {shlex.quote(repository.branch)}"
    yield Step(f"attractor promote{target}", f"Move the branch {repository.branch} to the result")
