"""Names and rule levels of a project that the rules of the language ask for."""

import re
import shutil
from collections.abc import Iterator, Mapping, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.errors import suggest
from attractor.base.registry import Registry
from attractor.config.projects import find_project_root
from attractor.engine.questions.edge_labels import accelerator
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import VITAL, Level, Levels, rule_names
from attractor.language.preparation.transform import FolderFiles

if TYPE_CHECKING:
    from attractor.config.errors import ConfigError
    from attractor.config.schema import Configuration
    from attractor.config.settings import Settings


AGENTS = "agents"
# The shell of `environments/local.py`, which imports asyncio: too slow for `validate`.
_SHELL = "/bin/bash"
_SHELL_TIMEOUT_S = 5


def known_names(project: Path, *, environ: Mapping[str, str]) -> Vocabulary:
    """Return what the rules may ask for in a project."""
    return Vocabulary(
        types=_parts("attractor.handlers"),
        backends=_parts("attractor.backends"),
        providers=_parts("attractor.llm.providers"),
        agents=_agents(project / AGENTS),
        has_program=partial(_is_on_path, path=environ.get("PATH", "")),
        shell_error=shell_error,
        accelerator=accelerator,
    )


def _parts(package: str) -> Set[str]:
    # A view: the folder is listed when a rule first asks.
    return Registry(package, object, noun="part").keys()


def _agents(folder: Path) -> Set[str] | None:
    """Return the names of a project's agents; one without any uses others that are not known."""
    try:
        found = {one.name for one in folder.iterdir() if one.is_dir()}
    except OSError:
        return None
    return {name for name in found if not name.startswith(("_", "."))} or None


def _is_on_path(program: str, *, path: str) -> bool:
    return shutil.which(program, path=path) is not None


def shell_error(command: str) -> str:
    """Return the syntax error that the shell of tool stages reports, or nothing."""
    # Only pipelines with commands need it.
    import subprocess

    try:
        checked = subprocess.run(
            [_SHELL, "-n", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C.UTF-8"},
            timeout=_SHELL_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    first_line = checked.stderr.decode("utf-8", "replace").partition("\n")[0]
    return re.sub(r"\A.*? -c: (?:line \d+: )?", "", first_line) if checked.returncode else ""


def files_beside(file: Path) -> FolderFiles:
    """Return the files around a pipeline; what lies outside its project is not read."""
    folder = file.absolute().parent
    return FolderFiles(folder, within=find_project_root(folder))


def rule_levels(configuration: "Configuration[Settings]") -> Levels:
    """Return the level of each rule that is set; a name that no rule has is an error."""
    rules = configuration.settings.rules
    if not rules:
        return {}
    # `validate` does not need it where no rule is configured.
    from attractor.config.errors import raise_mistakes

    raise_mistakes(list(_mistakes(configuration)))
    return {rule: Level(level) for rule, level in rules.items()}


def _mistakes(configuration: "Configuration[Settings]") -> "Iterator[ConfigError]":
    # `validate` does not need them where no rule is configured.
    from attractor.base.toml import dotted
    from attractor.config.errors import InvalidSetting, UnknownSetting
    from attractor.config.schema import OriginKind

    known = rule_names()
    for rule, level in configuration.settings.rules.items():
        origin = configuration.origin(dotted(("rules", rule)))
        if origin.kind is OriginKind.USER:
            hint = "write it into attractor.toml: a project's pipelines are judged alike everywhere"
            yield InvalidSetting(f"rules.{rule} belongs to a project", hint=hint, origin=origin)
        elif rule not in known:
            near = suggest(rule, known)
            hint = f"did you mean {near}?" if near else "see 'attractor rules'"
            yield UnknownSetting(f"there is no rule {rule}", hint=hint, origin=origin)
        elif rule in VITAL and level != Level.ERROR:
            hint = "take it out: no pipeline runs without it"
            yield InvalidSetting(f"the rule {rule} is an error always", hint=hint, origin=origin)
