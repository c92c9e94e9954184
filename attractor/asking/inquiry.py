"""What the tools of one question read: runs, events and rows, without secrets and holdouts."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path

from attractor.attention.reading import Attention, read_attention
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.base.toml import InvalidToml, parse_toml
from attractor.engine.journal.reader import JournalReader, find_position
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.storage.secrets import Redactor, is_common
from attractor.engine.truncation import shorten
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.open_project import OpenProject
from attractor.fleet.views.overview import ExplainedRun
from attractor.records.lookup import LATEST
from attractor.records.summary import RunOverview

_REFERENCE = re.compile(r"[0-9A-Za-z][\w:@.-]*", re.ASCII)
_LONGEST_SHOWN = 60
_HOLDOUTS, _SHOWN_SCENARIOS = "scenarios/*/holdout/*.toml", "scenarios/*/train/*.toml"


@dataclass(frozen=True)
class Inquiry:
    """A question about a project: who asks may reach the projects `reached`, or all if empty.

    `run_id` is the run that answers, which no figure counts; `now` is when it began, so that each
    figure is computed as of one moment. `fleet` returns the runs of the fleet that have not ended.
    """

    opened: OpenProject
    run_id: str
    now: datetime
    reached: Collection[str]
    fleet: Callable[[], Sequence[ExplainedRun]]

    @property
    def runs_dir(self) -> Path:
        """The folder of the runs of the project."""
        return self.opened.project.runs_dir

    @cached_property
    def index(self) -> RunIndex:
        """The index of the state folder."""
        return RunIndex(self.opened.project.machine.state_dir)

    @cached_property
    def redactor(self) -> Redactor:
        """Replaces keys, and the words of holdouts, in all that is answered."""
        return self.opened.project.redactor_of(holdout_words(self.opened))

    @property
    def attention(self) -> Attention:
        """What needs a person, in the projects that the person who asks may reach."""
        machine = self.opened.project.machine
        return read_attention(
            machine.state_dir,
            self.now,
            machine.environ,
            reaches=lambda project_id: not self.reached or project_id in self.reached,
        )

    def find(self, reference: str) -> Path:
        """Return the directory of a run of the project, by its id; refuse any path.

        The latest run is the newest one before the run that answers.
        """
        shown = shorten(reference, _LONGEST_SHOWN)
        if reference == LATEST:
            newest = self.index.runs(self.runs_dir, RunQuery(before=self.run_id, limit=1))
            reference = newest[0].run_id if newest else reference
        if not _REFERENCE.fullmatch(reference):
            raise UnknownName("run", shown, [])
        root = self.opened.find(reference)
        if not root.resolve().is_relative_to(self.runs_dir.resolve()):
            raise UnknownName("run", shown, [])
        return root

    def overview(self, reference: str) -> RunOverview:
        """Return a run as it is now."""
        return self.index.overview(self.find(reference))

    def events(self, reference: str, seq: int) -> Iterator[Event]:
        """Yield the events of a run from a number on."""
        journal = RunDirectory(self.find(reference)).events
        for line in JournalReader(journal, find_position(journal, seq - 1)).more():
            if line.event and line.event.seq >= seq:
                yield line.event

    def read_event(self, reference: str, seq: int) -> str:
        """Return the text of an event, as the model may read it."""
        event = next(self.events(reference, seq), None)
        if event is None or event.seq != seq:
            raise UnknownName("event", str(seq), [])
        return self.redactor.text(event_text(event))


def event_text(event: Event) -> str:
    """Return an event as lines: its type and node, then each value of its data."""
    head = " ".join(filter(None, [event.type, event.node]))
    return "\n".join([head, *_leaves(dict(event.data))])


def _leaves(value: Json, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _leaves(member, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, name)
    elif value not in (None, ""):
        yield f"{name}: {value}"


def holdout_words(opened: OpenProject) -> set[str]:
    """Return the texts of all holdouts of a project that no train scenario contains.

    Ordinary words are left out: they say nothing, and occur everywhere.
    """
    hidden, shown, root = set[str](), set[str](), opened.project.root
    for name in opened.suites.versions.names():
        for version in opened.suites.versions.versions(name):
            # A lost copy is reported by what judges with it.
            with suppress(AttractorError):
                if sealed := opened.suite(version.pinned):
                    hidden.add(sealed.canary)
                    for text in sealed.holdout_texts():
                        hidden.update(_texts_in(text))
                    shown.update(*(map(_texts_of, sorted(sealed.folder.glob("train/*.toml")))))
                    hidden.update(one.id for one in sealed.suite.settings.wrong)
    hidden.update(*map(_texts_of, sorted(root.glob(_HOLDOUTS))))
    shown.update(*map(_texts_of, sorted(root.glob(_SHOWN_SCENARIOS))))
    return {text for text in hidden - shown if text.strip() and not is_common(text)}


def _texts_of(file: Path) -> set[str]:
    with suppress(OSError):
        return _texts_in(file.read_bytes())
    return set()


def _texts_in(content: bytes) -> set[str]:
    text = content.decode("utf-8", "replace")
    try:
        table = parse_toml(text)
    except InvalidToml:
        return {line.strip() for line in text.splitlines()}
    comments = {line.strip() for line in text.splitlines() if line.startswith("#")}
    return comments | {*_strings(table)}


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            # The kinds of checks are words of the format.
            for key, member in value.items():  # pyright: ignore[reportUnknownVariableType]
                if key != "kind":
                    yield from _strings(member)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for member in value:  # pyright: ignore[reportUnknownVariableType]
                yield from _strings(member)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            pass
