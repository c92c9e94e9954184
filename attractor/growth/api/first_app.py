"""Begins an app: a repository with specification, growth plates, suite, profile and packages."""

import asyncio
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attractor.backends.models import ModelChoice, choose_ready, newest_model
from attractor.base.errors import Refused, UsageError
from attractor.base.files import file_error, read_file, write_whole
from attractor.base.json import Json
from attractor.base.processes import ExecResult, run_process
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.registration.first_suite import require_suite_name
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.resources.profiles import make_profile
from attractor.growth.api.specs import normalize_given
from attractor.growth.apps.packages import copy_packages
from attractor.growth.apps.skeleton import STACK
from attractor.growth.apps.stack import stacks
from attractor.growth.control_plane import ControlPlane
from attractor.growth.crew.checks.identity import identity_hash
from attractor.growth.crew.drafts import PACKAGES
from attractor.growth.development import DEVELOPMENT
from attractor.growth.first_app.files import (
    IGNORED,
    PROFILE,
    SETTINGS,
    SUITES,
    TWINS,
    FirstApp,
    settings_text,
    suite_texts,
    twin_texts,
)
from attractor.growth.model_answers import try_model, with_model
from attractor.growth.specification.rendering import summary_of
from attractor.growth.specification.store import StoredSpec
from attractor.pipeline.project.project import Project
from attractor.scenarios.suite_files import LOCK_FILE
from attractor.workspaces.git.repository import find_git_dir

_PROVIDER = "anthropic"
_NO_MODEL = ModelChoice("", "")
_UNGUARDED = "isolation_unverified"
_CANARY_BYTES = 16
_PATIENCE = timedelta(minutes=1)


def begin_app(
    folder: Path,
    app: FirstApp,
    environ: Mapping[str, str],
    *,
    by: str,
    is_guarded: bool,
    model: str = "",
    provider: str = "",
) -> dict[str, Json]:
    """Write and commit the first files of an app, and register its profile and its suite.

    Without a sandbox (not `is_guarded`), the profile allows that, and trials have none. After a
    failure, another call goes on: it keeps what is there. A named model, and that of a free text,
    is tried before anything is written.
    """
    require_suite_name(app.name)
    suite = folder / SUITES / app.name
    if (suite / LOCK_FILE).exists():
        raise Refused(f"{folder} has the app {app.name}", hint="see it: attractor grow status")
    is_script = bool(app.example and not (model or provider))
    if is_script:
        chosen = ModelChoice(_PROVIDER, newest_model(_PROVIDER))
    else:
        chosen = _choose(with_model(open_project(folder, environ).project, model, provider), app)
    is_named = is_script or bool(model or provider)
    kept = chosen if is_named else _NO_MODEL
    settings = settings_text(app.name, PROFILE, kept.provider, kept.model)
    _write_missing(folder, {Path(SETTINGS): settings})
    opened = open_project(folder, environ)
    if opened.project.suite != app.name:
        hint = f'write suite = "{app.name}" and profile = "{PROFILE}" in its [factory]'
        raise UsageError(f"{folder / SETTINGS} names another suite", hint=hint)
    plane = ControlPlane(with_model(opened.project, kept.model, kept.provider))
    stored = _normalize(plane, app)
    canary = f"canary-{opened.project.machine.randomness(_CANARY_BYTES).hex()}"
    if not suite.exists():
        _write_missing(folder, suite_texts(app, identity_hash(stored.graph), canary))
    _write_missing(folder, {**twin_texts(), DEVELOPMENT: app.development})
    _ignore(folder)
    copy_packages(stacks()[STACK].packages, folder / PACKAGES)
    registered = asyncio.run(_record(opened, suite, by=by, is_guarded=is_guarded))
    return {
        "folder": str(folder),
        "name": app.name,
        "spec_graph_id": stored.id,
        "spec_summary": summary_of(stored),
        "suite": registered,
        "profile": PROFILE,
        "is_guarded": is_guarded,
        "holdouts": [one.title for one in app.holdouts],
        "model": f"{chosen.model} of {chosen.provider}" if chosen.model else "",
        "next": [*_next(app, stored, is_script=is_script, option=_option(opened, kept))],
    }


def _choose(project: Project, app: FirstApp) -> ModelChoice:
    """Return the model of the settings, which is tried if one is named or a free text needs it."""
    is_needed = any(isinstance(given, str) for given in app.given)
    if project.llm and (project.llm.model or project.llm.provider) or is_needed:
        return asyncio.run(try_model(project, purpose="the app"))
    with suppress(UsageError):
        return asyncio.run(choose_ready("", "", project.machine.environ, user="", hint=""))
    return _NO_MODEL


def _option(opened: OpenProject, chosen: ModelChoice) -> str:
    """Return the options for a model that settings of earlier do not name."""
    llm = opened.project.llm
    if not chosen.model or (llm and llm.model == chosen.model):
        return ""
    return f" --model {shlex.quote(chosen.model)} --provider {shlex.quote(chosen.provider)}"


def _normalize(plane: ControlPlane, app: FirstApp) -> StoredSpec:
    spec = ""
    for given in app.given:
        spec = str(normalize_given(plane, given, spec)["spec_graph_id"])
    return plane.specs.load(spec)


def _write_missing(folder: Path, texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        file = folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise file_error("write", file, cause) from cause
        if not file.exists():
            write_whole(file, text)


def _ignore(folder: Path) -> None:
    """Add ignore rules to those of the repository."""
    file = folder / ".gitignore"
    lines = read_file(file).decode().splitlines() if file.exists() else []
    if missing := [one for one in IGNORED if one not in lines]:
        write_whole(file, "\n".join([*lines, *missing]) + "\n")


async def _record(
    opened: OpenProject, suite: Path, *, by: str, is_guarded: bool
) -> dict[str, Json]:
    """Commit the files, create the profile, register the suite, and commit its lock."""
    folder = opened.project.root
    git = _Git(folder, opened.project.machine.environ, by)
    if not await find_git_dir(folder, search_path=opened.project.machine.search_path):
        await git.run("init", "--quiet", "--initial-branch", "main")
    paths = [SETTINGS, ".gitignore", "spec", str(TWINS), str(suite.relative_to(folder))]
    await git.commit(paths, f"Begin {suite.name}")
    if not opened.profiles.versions.versions(PROFILE):
        profile = make_profile(PROFILE, () if is_guarded else (_UNGUARDED,))
        opened.profiles.create(profile, by=by, now=opened.now())
    sandbox = "auto" if is_guarded else "none"
    registered = await register_suite(suite, opened, sandbox=sandbox, by=by)
    await git.commit(paths[-1:], "Seal the suite")
    return registered.to_record()


class _Git:
    """The Git of the person in a folder: with its hooks, and its identity if there is one."""

    def __init__(self, folder: Path, environ: Mapping[str, str], by: str) -> None:
        self._folder, self._environ, self._by = folder, dict(environ), by

    async def run(self, *words: str) -> None:
        """Run a command that succeeds."""
        result = await self._answer(*words)
        if result.exit_code:
            hint = "correct it, and type the command again: it goes on"
            raise Refused(f"git {words[0]}: {result.stderr.strip()}", hint=hint)

    async def commit(self, paths: Sequence[str], message: str) -> None:
        """Commit paths, unless they are committed; other changes are left."""
        if (await self._answer("config", "user.email")).exit_code:
            for role in ("AUTHOR", "COMMITTER"):
                email = {f"GIT_{role}_EMAIL": f"{self._by}@localhost"}
                self._environ |= email | {f"GIT_{role}_NAME": self._by}
        await self.run("add", "--", *paths)
        if (await self._answer("status", "--porcelain", "--", *paths)).stdout:
            await self.run("commit", "--quiet", "--message", message, "--", *paths)

    async def _answer(self, *words: str) -> ExecResult:
        command = ["git", *words]
        return await run_process(command, cwd=self._folder, env=self._environ, timeout=_PATIENCE)


def _next(app: FirstApp, stored: StoredSpec, *, is_script: bool, option: str) -> Iterator[str]:
    """Yield the next commands."""
    if is_script:
        # Its answers take the place of models: no key is needed.
        yield f"attractor twin llm --example {app.example} > runs/models.txt 2>&1 &"
        yield 'sleep 3; eval "$(grep "^  export" runs/models.txt)"'
    if stored.desires or stored.graph.of_kind("entity"):
        yield f"attractor grow plan {stored.id}{option}"
    else:
        yield f'attractor spec normalize "what you wish" --base {stored.id}'
