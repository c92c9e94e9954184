"""Drafts of scenarios, written by the tester: tried on the app, and on mutants of it.

A draft that holds for every mutant tests nothing, and is refused. Drafts speak of records and of
requests to the app only, so no word of them is a command.
"""

import json
import re
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import httpx
from pydantic import BaseModel, Field, JsonValue, ValidationError, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.files import file_error, read_regular, write_whole
from attractor.base.json import Json
from attractor.engine.stage.no_workspace import NoEnvironment
from attractor.environments.selection import EnvironmentChoice
from attractor.factory.registration.first_suite import toml_text
from attractor.growth.apps.access import KEY_HASH, hash_of_key, key_header
from attractor.growth.apps.process import export_state, import_state, running_app
from attractor.growth.apps.services import service_twins
from attractor.growth.crew.app_tree import AppTree
from attractor.growth.crew.contract import Message
from attractor.growth.migration import Record, State, state_text
from attractor.growth.specification.graph import Relation, SpecGraph
from attractor.scenarios.check import Observation, StepRecord
from attractor.scenarios.checks.json import JsonCheck
from attractor.scenarios.suite_files import SCENARIO_END
from attractor.workspaces.folders import scratch_folder

PORT = 8000
PACKAGES = "packages"
"""The folder beside an app with the packages that it needs, which trials carry."""

_ANSWER_TIME = 10.0
_TRIAL_KEY = "trial"
"""No secret: the app of a trial, which may get roles later, ends with the trial."""
START = datetime(2026, 1, 5, tzinfo=UTC)


class Expect(Message):
    """A value in the JSON of the app, as a check of kind `json` expects it."""

    get: str = Field(pattern=r"^/(panels|data|outputs)/[a-z0-9_]+$")
    path: str = Field(description="the place of values, such as `$.records[*].id`")
    equals: JsonValue = None
    matches: str | None = None
    lacks_match: str | None = None
    length: int | None = None
    exists: bool = True

    @model_validator(mode="after")
    def _is_one_expectation(self) -> "Expect":
        given = self.model_fields_set - {"get", "path"}
        if len(given) != 1:
            raise ValueError("give exactly one of equals, matches, lacks_match, length and exists")
        return self

    @property
    def options(self) -> dict[str, JsonValue]:
        """The options of the check."""
        keys = self.model_fields_set - {"get"}
        return {key: getattr(self, key) for key in sorted(keys)}


class Draft(Message):
    """A draft of a scenario: records are given, a pipeline may run, and values are expected.

    With `migration`, the given records are exported and imported instead.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    title: str = Field(min_length=1)
    story: str = Field(min_length=1, description="the words of a person")
    clock: datetime = Field(description="the time at which the app runs, with a time zone")
    given: dict[str, tuple[dict[str, JsonValue], ...]] = Field(description="records by entity")
    run: str = Field(default="", description="the id of a pipeline (default: none runs)")
    expect: tuple[Expect, ...] = ()
    migration: bool = Field(
        default=False,
        description="true: an export and an import keep the given records; without run and expect",
    )

    @model_validator(mode="after")
    def _tests_one_thing(self) -> "Draft":
        if self.migration and (self.run or self.expect or not any(self.given.values())):
            raise ValueError("with migration, give records, and neither run nor expect")
        if not self.migration and not self.expect:
            raise ValueError("give expect, or migration")
        return self


def faults_of_drafts(graph: SpecGraph, drafts: Sequence[Draft]) -> list[str]:
    """Return the faults of drafts: names that the specification does not contain."""
    faults: list[str] = []
    kinds = {"panels": "panel", "data": "entity", "outputs": "output"}
    for draft in drafts:
        named = [(one, "entity") for one in draft.given]
        named += [(draft.run, "pipeline")] if draft.run else []
        for one in draft.expect:
            _, place, id_ = one.get.split("/")
            named.append((id_, kinds[place]))
        faults += [
            f"{draft.id}: no {kind} {id_!r}"
            for id_, kind in named
            if id_ not in graph or graph[id_].kind != kind
        ]
        if draft.clock.tzinfo is None:
            faults.append(f"{draft.id}: clock: no time zone")
    ids = [one.id for one in drafts]
    return faults + [f"{one}: drafted twice" for one in sorted(set(ids)) if ids.count(one) > 1]


def read_drafts(file: Path) -> Sequence[Draft]:
    """Read a list of drafts from a JSON file."""
    return [Draft.model_validate(one) for one in json.loads(read_regular(file))]


def scenario_text(draft: Draft, *, baseline: str = "any") -> str:
    """Return the draft as a scenario of a suite."""
    steps: list[dict[str, Json]] = [
        {
            "name": "app",
            "service": f"python3 -m app serve --port {PORT}",
            "port": PORT,
            "env": {
                "PYTHONPATH": PACKAGES,
                "APP_STATE": "state",
                "APP_CLOCK": draft.clock.isoformat(),
                "APP_SEED": "1",
                KEY_HASH: hash_of_key(_TRIAL_KEY),
            },
            "health": {"path": "/health"},
        }
    ]
    for entity, records in draft.given.items():
        steps.append(
            {
                "name": f"given-{entity}",
                "port": PORT,
                "method": "POST",
                "path": f"/data/{entity}",
                "headers": {**key_header(_TRIAL_KEY)},
                "json": list(records),
            }
        )
    checks: list[dict[str, Json]] = []
    if draft.migration:
        steps += [
            _on_state("export", "state", "mkdir recorded && python3 -m app export recorded"),
            _on_state("import", "moved", "python3 -m app import recorded"),
            _on_state("export-again", "moved", "mkdir exported && python3 -m app export exported"),
        ]
        checks.append({"kind": "migration", "imported": "recorded", "exported": "exported"})
    elif draft.run:
        run = {"name": "run", "port": PORT, "method": "POST", "path": f"/run/{draft.run}"}
        steps.append({**run, "headers": {**key_header(_TRIAL_KEY)}})
    for number, one in enumerate(draft.expect, 1):
        steps.append(
            {
                "name": f"look-{number}",
                "port": PORT,
                "path": one.get,
                "headers": {"accept": "application/json", **key_header(_TRIAL_KEY)},
            }
        )
        checks.append({"kind": "json", "step": f"look-{number}", **one.options})
    lines = [
        f"id = {_toml(draft.id)}",
        f"title = {_toml(draft.title)}",
        f"story = {_toml(draft.story)}",
        f"baseline = {_toml(baseline)}",
    ]
    for name, tables in (("steps", steps), ("checks", checks)):
        for table in tables:
            lines.append(f"\n[[{name}]]")
            lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _on_state(name: str, state: str, command: str) -> dict[str, Json]:
    """Return a step with a command of the app on a state folder."""
    return {"name": name, "run": command, "env": {"PYTHONPATH": PACKAGES, "APP_STATE": state}}


def adopt_drafts(run: Path, folder: Path, ids: Sequence[str], *, split: str) -> Sequence[Path]:
    """Copy kept drafts of a run (default: all) into a split of a suite; return the files."""
    kept = {one.name.removesuffix(SCENARIO_END): one for one in run.glob(f"*/*{SCENARIO_END}")}
    if not kept:
        raise UsageError(f"{run.name} kept no draft", hint="name a run of the crew: attractor runs")
    for id_ in ids:
        if id_ not in kept:
            raise UnknownName("draft", id_, list(kept))
    chosen = {id_: kept[id_] for id_ in ids or sorted(kept)}
    for id_ in chosen:
        for there in folder.glob(f"*/{id_}{SCENARIO_END}"):
            raise UsageError(
                f"{there} exists", hint="pass the names of the other drafts, or delete this folder"
            )
    files = {folder / split / f"{id_}{SCENARIO_END}": one for id_, one in chosen.items()}
    for file, draft in files.items():
        try:
            file.parent.mkdir(exist_ok=True)
        except OSError as cause:
            raise file_error("write", file, cause) from cause
        write_whole(file, read_regular(draft).decode())
    return [*files]


def _toml(value: Json) -> str:
    """Return a value in TOML, which has no null: such members are left out."""
    match value:
        case dict():
            inside = (
                f"{_toml(key)} = {_toml(one)}" for key, one in value.items() if one is not None
            )
            return f"{{ {', '.join(inside)} }}"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case str():
            return toml_text(value)
        case _:
            return json.dumps(value)


@dataclass(frozen=True)
class Mutant:
    """A change of one body, or of the store, that a useful scenario notices."""

    kind: Literal[
        "gate removed", "sort reversed", "output emptied", "records lost", "records not added"
    ]
    path: str


_WRAPPERS: Mapping[str, str] = {
    "gate removed": "return {key: list(records[key]) for key in _original(records, context)}",
    "sort reversed": "return {key: one[::-1] for key, one in _original(records, context).items()}",
    "output emptied": "return {key: [] for key in _original(records, context)}",
}


_LOST = Mutant("records lost", "app/store.py")
"""The mutant that a draft with `migration` notices: an import loses all records."""

_NOT_ADDED = Mutant("records not added", "app/store.py")
"""The mutant that a draft without `run` may notice: a new record is lost."""


def mutants(graph: SpecGraph, bodies: Mapping[str, str]) -> Iterator[Mutant]:
    """Yield the mutants of the steps of an app, gates first."""
    steps = {path: graph[id_] for path, id_ in bodies.items() if graph[id_].kind == "step"}
    for path, step in steps.items():
        if step.targets(Relation.GUARDS):
            yield Mutant("gate removed", path)
    for path, step in steps.items():
        if step.targets(Relation.WRITES):
            yield Mutant("output emptied", path)
            yield Mutant("sort reversed", path)


def mutate(text: str, mutant: Mutant) -> str:
    """Return the text of a file with the change of a mutant."""
    if mutant == _LOST:
        return f"{text}\n\nTransaction.replace = lambda self, entity, records: None\n"
    if mutant == _NOT_ADDED:
        return f"{text}\n\nTransaction.insert = lambda self, entity, record: None\n"
    return (
        f"{text.rstrip()}\n\n\n_original = run\n\n\n"
        f"def run(records, context):\n    {_WRAPPERS[mutant.kind]}\n"
    )


@dataclass(frozen=True)
class Trial:
    """The result of a draft: its faults on the app, and the mutant that it noticed."""

    draft: Draft
    faults: tuple[str, ...]
    noticed: Mutant | None

    @property
    def is_kept(self) -> bool:
        """Whether the draft holds for the app, and fails on a mutant."""
        return not self.faults and self.noticed is not None


async def try_drafts(
    tree: AppTree,
    drafts: Sequence[Draft],
    *,
    sandbox: EnvironmentChoice | None = None,
    project: Path | None = None,
) -> Sequence[Trial]:
    """Try drafts on an app, and the ones that hold on its mutants.

    Twins of services in a project take the place of the shipped ones.
    """
    play = partial(play_draft, sandbox=sandbox, project=project)
    return [await _try(tree, one, play) for one in drafts]


async def _try(
    tree: AppTree, draft: Draft, play: Callable[[Path, Draft], Awaitable[Sequence[str]]]
) -> Trial:
    faults = await play(tree.folder, draft)
    if faults:
        return Trial(draft, tuple(faults), None)
    tried = [] if draft.migration else [*mutants(tree.graph, tree.bodies)]
    last = [_LOST] if draft.migration else [] if draft.run else [_NOT_ADDED]
    for mutant in [*tried, *last]:
        with scratch_folder() as folder:
            copy = folder / "app"
            shutil.copytree(tree.folder, copy)
            file = copy / mutant.path
            file.write_text(mutate(file.read_text("utf-8"), mutant), "utf-8")
            if await play(copy, draft):
                return Trial(draft, (), mutant)
    return Trial(draft, (), None)


class _Listing(BaseModel):
    records: tuple[dict[str, JsonValue], ...]


async def play_draft(
    tree: Path,
    draft: Draft,
    *,
    sandbox: EnvironmentChoice | None = None,
    project: Path | None = None,
) -> Sequence[str]:
    """Play a draft on an app with an empty state; return the unmet expectations."""
    async with start_app(tree, draft.clock, sandbox=sandbox, project=project) as client:
        posts: dict[str, Json] = {f"/data/{one}": [*draft.given[one]] for one in draft.given}
        if draft.run:
            posts[f"/run/{draft.run}"] = None
        for path, body in posts.items():
            response = await client.post(path, json=body)
            if response.status_code >= httpx.codes.BAD_REQUEST:
                return [f"{draft.id}: POST {path}: {response.text[:200]}"]
        if draft.migration:
            state: dict[str, tuple[Record, ...]] = {}
            for entity in draft.given:
                response = await client.get(f"/data/{entity}")
                try:
                    state[entity] = _Listing.model_validate_json(response.content).records
                except ValidationError:
                    return [f"{draft.id}: GET /data/{entity}: the answer has no valid records"]
            return await _lost(tree, draft, state, sandbox)
        return [fault for one in draft.expect if (fault := await _judge(client, draft, one))]


async def _lost(
    tree: Path, draft: Draft, state: State, sandbox: EnvironmentChoice | None
) -> Sequence[str]:
    """Import records into an empty state, and return the entities that the export does not keep."""
    with scratch_folder() as folder:
        await import_state(tree, folder, state, sandbox=sandbox)
        kept = await export_state(tree, folder, sandbox=sandbox)
    lost = [one for one in state if state_text(state[one]) != state_text(kept.get(one, ()))]
    return [f"{draft.id}: {one}: an export and an import do not keep its records" for one in lost]


@asynccontextmanager
async def start_app(
    tree: Path,
    clock: datetime = START,
    *,
    sandbox: EnvironmentChoice | None = None,
    project: Path | None = None,
) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of the app in a tree, with an empty state and service twins of its own."""
    with scratch_folder() as state:
        running = running_app(
            tree,
            state,
            clock=clock,
            seed=1,
            sandbox=sandbox,
            services=service_twins(project),
        )
        async with (
            running as app,
            httpx.AsyncClient(
                base_url=app.url, headers=app.headers, timeout=_ANSWER_TIME
            ) as client,
        ):
            yield client


async def _judge(client: httpx.AsyncClient, draft: Draft, expect: Expect) -> str:
    response = await client.get(expect.get, headers={"accept": "application/json"})
    record = StepRecord("look", http_status=response.status_code, body=response.text)
    check = JsonCheck.model_validate({"step": "look", **expect.options})
    result = await check.judge(Observation({"look": record}, NoEnvironment()))
    reason = re.sub(r"the output of step look", expect.get, result.reason)
    return "" if result.passed else f"{draft.id}: {reason}"
