"""The outside world as one run sees it: read once by the command line, and handed down.

What a program brings along for its runs, besides what is found by name.

Hands the events of a run and its children to who watches, and knows when all of it was heard.

Finds values that stand in what Attractor itself writes: none can be kept out of its records.

Replaced there, names of fields and of states would go with it, and the records with them.

How grave the rules of the language are in a project, as its settings say.

Makes the world of a run of what a project is set to, and of what is handed in.

Where a new run has its place, unless another one is asked for.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from attractor import __version__
from attractor.base.broadcast import Missed, Subscription
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.base.events import Event
from attractor.base.files import write_whole
from attractor.base.toml import dotted
from attractor.config.errors import ConfigError, InvalidSetting, UnknownSetting, raise_mistakes
from attractor.config.schema import Configuration, OriginKind
from attractor.config.settings import NotifySettings, Settings, WorkspaceSettings
from attractor.engine.journal.events import EventLog
from attractor.engine.questions.question import Interviewer
from attractor.engine.seams import Backend, Handler
from attractor.engine.storage.secrets import SHORTEST, Redactor, is_telling, texts_of
from attractor.environments.variables import inherited
from attractor.language.declarations.inputs import is_of_input
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.linting.lint_rule import ExtraRules
from attractor.language.linting.validate import VITAL, Level, Levels, rule_names
from attractor.language.preparation.transform import Transform
from attractor.pipeline.notification_settings import NO_NOTIFY, Notify
from attractor.workspaces.folders import SHARED
from attractor.workspaces.setup.preparation import NO_PREPARATION, Preparation

if TYPE_CHECKING:
    from attractor.config.settings import LlmSettings


HANDED_IN = "handed in"
"""What stands in a manifest for the name of a part that a program handed in."""


@dataclass(frozen=True, kw_only=True)
class Brought:
    """The parts that a program hands in as objects, and pipelines that are no files, by name."""

    handlers: Mapping[str, Handler] = field(default_factory=dict[str, Handler])
    backend: Backend | None = None
    interviewer: Interviewer | None = None
    transforms: Sequence[Transform] = ()
    rules: ExtraRules = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> tuple[str, ...]:
        """What a run cannot go on without, in words: how people are asked may change."""
        named = [f"handler {type_}" for type_ in sorted(self.handlers)]
        named += ["backend"] if self.backend else []
        return (*named, *(f"transform {type(one).__name__}" for one in self.transforms))

    def lacking(self, names: Sequence[str]) -> Iterator[Diagnostic]:
        """Yield what a run began with and is not brought along now."""
        for name in names:
            if name not in self.names:
                yield error(
                    f"the {name} was handed in by the program that began the run",
                    fix="go on from a program that hands it in: resume_pipeline",
                )


NOTHING_BROUGHT = Brought()


Watch = Callable[[Event], None]

PATIENCE_S = 1.0
"""How long at most a question waits for those who watch."""


class News:
    """Who watches hears of everything a moment later, on a thread of its own."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Event]] = []

    def hand_on(self, events: EventLog, watch: Watch) -> None:
        """Have somebody hear of each event from now on."""

        def hear(event: Event | Missed) -> None:
            if isinstance(event, Event):
                watch(event)

        self._subscriptions.append(events.subscribe(hear))

    async def heard(self) -> None:
        """Wait until everything that happened by now was heard of."""
        for one in tuple(self._subscriptions):
            await asyncio.to_thread(one.catch_up, PATIENCE_S)


_COULD_BE_ONE = re.compile(rf"[A-Za-z._/@:-]{{{SHORTEST},40}}")


def own_words(values: Iterable[str], texts: Iterable[str]) -> frozenset[str]:
    """Return which values are words that stand in texts, also as a part of a longer word.

    The texts are read only where a value may be such a word: most secrets have digits.
    """
    sought = {value for value in values if _COULD_BE_ONE.fullmatch(value)}
    found = set[str]()
    for text in texts if sought else ():
        found |= {word for word in sought - found if word in text}
    return frozenset(found)


def ours_among(secrets: Iterable[str]) -> frozenset[str]:
    """Return what of secrets, or of their lines, stands in what Attractor itself writes."""
    return own_words((text for one in secrets for text in texts_of(one)), _package_texts())


def is_ours(secret: str) -> bool:
    """Tell whether a value cannot be kept out of what Attractor itself writes."""
    return secret.strip() in ours_among([secret])


def _package_texts() -> Iterator[str]:
    """Yield, once they are asked for, the texts that all names in records come from."""
    yield from _read(Path(__file__).parent.parent)


@cache
def _read(package: Path) -> tuple[str, ...]:
    # A part is registered by the name of its file.
    files = sorted(package.rglob("*.py"))
    return tuple(f"{one.relative_to(package)}\n{one.read_text('utf-8')}" for one in files)


def unwatched(event: Event) -> None:
    """Take no notice of an event."""


def untold(sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class RunHost:
    """Where a run finds its project, its variables, the time, and people.

    In `workspaces_dir` lies the folder of the workspaces, whose path tools in a sandbox can see.
    While somebody is asked at the terminal it is `quiet`: nobody else writes there.
    `secrets` are values besides those of variables with telling names: what a run was given.
    """

    project: Path
    state_dir: Path
    runs_dir: Path
    environ: Mapping[str, str]
    clock: Clock
    randomness: Callable[[int], bytes]
    input: TextIO
    output: TextIO
    version: str
    workspaces_dir: Path = SHARED
    levels: Levels = field(default_factory=dict[str, Level])
    preparation: Preparation = NO_PREPARATION
    notify: Notify = NO_NOTIFY
    llm: "LlmSettings | None" = None
    brought: Brought = NOTHING_BROUGHT
    draws: bool = True
    watch: Watch = unwatched
    news: News = field(default_factory=News)
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext
    tell: Callable[[str], None] = untold
    secrets: tuple[str, ...] = ()

    def keeping(self, secrets: Iterable[str]) -> "RunHost":
        """Return the world in which more is secret."""
        return replace(self, secrets=tuple(dict.fromkeys((*self.secrets, *secrets))))

    @cached_property
    def redactor(self) -> Redactor:
        """What keeps secrets out of all that is written."""
        names = self.secret_variables
        words = ours_among([*(self.environ[name] for name in names), *self.secrets])
        return Redactor.of_environment(self.environ, names=names, more=self.secrets, words=words)

    @property
    def secret_variables(self) -> Sequence[str]:
        """The variables whose values are secret: by a telling name, or as those of inputs."""
        return [name for name in self.environ if is_telling(name) or is_of_input(name)]

    @cached_property
    def variables_of_tools(self) -> Mapping[str, str]:
        """The variables that may be handed on to where tools run: none gives a run an input."""
        given = set(self.secrets)
        return {
            name: value
            for name, value in self.environ.items()
            if value not in given and not is_of_input(name)
        }

    @property
    def search_path(self) -> str:
        """Where programs are looked for."""
        return self.environ.get("PATH", "")


def rule_levels(configuration: Configuration[Settings]) -> Levels:
    """Return the level of each rule that is set; a name that no rule has is an error."""
    rules = configuration.settings.rules
    if not rules:
        return {}
    raise_mistakes(list(_mistakes(configuration)))
    return {rule: Level(level) for rule, level in rules.items()}


def _mistakes(configuration: Configuration[Settings]) -> Iterator[ConfigError]:
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


def make_world(
    configuration: Configuration[Settings],
    *,
    environ: Mapping[str, str],
    input: TextIO,
    output: TextIO,
    watch: Watch = unwatched,
    tell: Callable[[str], None] = untold,
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
    brought: Brought = NOTHING_BROUGHT,
) -> RunHost:
    """Return the world of a project; its time and its randomness are the machine's."""
    settings = configuration.settings
    return RunHost(
        project=configuration.root,
        state_dir=settings.state_dir,
        runs_dir=settings.runs_dir,
        workspaces_dir=settings.workspaces_dir,
        environ=environ,
        clock=SystemClock(),
        randomness=os.urandom,
        input=input,
        output=output,
        version=__version__,
        levels=rule_levels(configuration),
        preparation=_preparation(settings.workspace),
        notify=_notify(settings.notify, environ, folder=configuration.root),
        llm=settings.llm,
        watch=watch,
        tell=tell,
        quiet=quiet,
        brought=brought,
    )


def _preparation(settings: WorkspaceSettings) -> Preparation:
    return Preparation(
        setup=settings.setup,
        setup_files=settings.setup_files,
        carry=settings.carry,
        carry_read_only=settings.carry_read_only,
        setup_timeout=timedelta(minutes=settings.setup_minutes),
    )


def _notify(settings: NotifySettings, environ: Mapping[str, str], *, folder: Path) -> Notify:
    return Notify(
        command=settings.command,
        url=settings.url.get_secret_value(),
        after=timedelta(seconds=settings.after_seconds),
        time_limit=timedelta(seconds=settings.timeout_seconds),
        folder=folder,
        variables=inherited(environ),
    )


def in_runs_folder(run_id: str, world: RunHost) -> Path:
    """Return the place of a run; a runs folder that we make is none of git's business."""
    if not world.runs_dir.exists():
        world.runs_dir.mkdir(parents=True)
        write_whole(world.runs_dir / ".gitignore", "*\n")
    return world.runs_dir / run_id
