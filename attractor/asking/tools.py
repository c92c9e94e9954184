"""The tools of the agent that answers: each reads what a command shows, and changes nothing."""

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import islice

from attractor.agent.errors import ToolError
from attractor.agent.tool_calls.tool import Executor, Permissions, RegisteredTool, define
from attractor.asking.figures import compute, query_schema, table_lines
from attractor.asking.inquiry import Inquiry, event_text
from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_since
from attractor.base.errors import AttractorError, words_of
from attractor.base.json import Json, JsonObject
from attractor.base.records import write_fields
from attractor.engine.truncation import shorten
from attractor.factory.evaluation.failed_scenarios import verdict_record
from attractor.factory.history.entries import line_words
from attractor.factory.history.index import LineQuery, RunQuery
from attractor.factory.history.report import read_costs
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.promotion_queue import PromotionQueues
from attractor.missions.records import find_mission, missions_of_project
from attractor.missions.report import lines_of, report_of
from attractor.pipeline.workspace.diffs import read_run_diff
from attractor.records.diagnosis.diagnose import diagnose
from attractor.worlds.actors import actors_of_project, find_actor
from attractor.worlds.records import message_records
from attractor.worlds.status import read_actor

MOST = 50
"""The number of rows in an answer."""

_LONGEST_EVENT = 1000
_LONGEST_DIFF = 20_000
Given = Mapping[str, str]


def _missions(inquiry: Inquiry, given: Given) -> Json:
    opened = inquiry.opened
    if name := given.get("mission"):
        return report_of(find_mission(name, opened), opened).to_record()
    return [[*lines_of(report_of(one, opened))] for one in missions_of_project(opened)[-MOST:]]


def _runs(inquiry: Inquiry, given: Given) -> Json:
    query = RunQuery(
        status=given.get("state", ""),
        pipeline=given.get("pipeline", ""),
        words=given.get("words", ""),
        before=inquiry.run_id,
        limit=MOST,
    )
    kept = ("run_id", "pipeline", "goal", "started", "status", "reason", "stage", "cost_usd")
    runs: list[Json] = [
        {key: run.to_record()[key] for key in kept}
        for run in inquiry.index.runs(inquiry.runs_dir, query)
    ]
    return {"runs": runs, "all": inquiry.index.count(inquiry.runs_dir, query)}


def _run(inquiry: Inquiry, given: Given) -> Json:
    root, overview = inquiry.find(given["run"]), inquiry.overview(given["run"])
    found = diagnose(root, reference=overview.run_id, now=inquiry.now).to_record()
    verdict: Json = None
    if overview.suite:
        verdict = verdict_record(ask_gate(root, inquiry.opened)[1], to_operator=False)
    return {"run": overview.to_record(), "diagnosis": found, "verdict": verdict}


def _journal(inquiry: Inquiry, given: Given) -> Json:
    events = islice(inquiry.events(given["run"], int(given.get("seq", "1"))), MOST)
    return [f"seq {one.seq}: {shorten(event_text(one), _LONGEST_EVENT)}" for one in events]


def _changes(inquiry: Inquiry, given: Given) -> Json:
    diff = asyncio.run(read_run_diff(inquiry.find(given["run"]), inquiry.opened.project))
    return shorten(inquiry.redactor.patch(f"{diff.summary}\n{diff.text}"), _LONGEST_DIFF)


def _messages(inquiry: Inquiry, given: Given) -> Json:
    actors = actors_of_project(inquiry.opened)
    if name := given.get("actor"):
        return [*message_records(read_actor(find_actor(name, actors)))[-MOST:]]
    return [one.name for one in actors]


def _costs(inquiry: Inquiry, given: Given) -> Json:
    began = parse_since(given["since"], inquiry.now, name="since").isoformat()
    days = read_costs(inquiry.index, inquiry.runs_dir, began, without=inquiry.run_id)
    return [day.to_record() for day in days[-MOST:]]


def _decisions(inquiry: Inquiry, given: Given) -> Json:
    project_id = inquiry.opened.identity.project_id()
    lines = inquiry.index.lines(inquiry.runs_dir, LineQuery(project_id, limit=MOST))
    return [
        f"{one.time} {one.run_id} {one.kind}: {line_words(one.kind, one.data)}" for one in lines
    ]


def _queue(inquiry: Inquiry, given: Given) -> Json:
    return [write_fields(one) for one in PromotionQueues.of(inquiry.opened).all()]


def _attention(inquiry: Inquiry, given: Given) -> Json:
    found = inquiry.attention
    return {"rows": [row.to_record() for row in found.rows[:MOST]], "all": len(found.rows)}


def _fleet(inquiry: Inquiry, given: Given) -> Json:
    return [one.to_record() for one in inquiry.fleet()[:MOST]]


def _figure(inquiry: Inquiry, given: Given) -> Json:
    return write_fields(compute(inquiry, given))


@dataclass(frozen=True)
class ReadTool:
    """A tool: its description, its arguments with their descriptions, and the needed ones."""

    description: str
    read: Callable[[Inquiry, Given], Json]
    arguments: Mapping[str, str] | None = None
    required: tuple[str, ...] = ()


_RUN = {"run": "The id of a run, or `latest`."}
TOOLS: Mapping[str, ReadTool] = {
    "missions": ReadTool(
        "List the missions, or report on one.", _missions, {"mission": "Its name."}
    ),
    "runs": ReadTool(
        f"List the newest {MOST} runs that are found.",
        _runs,
        {
            "state": "Their status.",
            "pipeline": "Their pipeline.",
            "words": "Words in goal or reason.",
        },
    ),
    "run": ReadTool("Show a run: status, why it stopped or failed, verdict.", _run, _RUN, ("run",)),
    "journal": ReadTool(
        f"Read {MOST} events of a run, each with its `seq` and the text that a cite may quote.",
        _journal,
        {**_RUN, "seq": "The number of the first event (default: 1)."},
        ("run",),
    ),
    "changes": ReadTool("Show the changed files of a run.", _changes, _RUN, ("run",)),
    "messages": ReadTool(
        "List the actors, or the messages of one.", _messages, {"actor": "Its name."}
    ),
    "costs": ReadTool(
        "Report runs, cost and tokens by day, pipeline and models.",
        _costs,
        {"since": "A time, or a duration before now such as 7d."},
        ("since",),
    ),
    "decisions": ReadTool(f"List the last {MOST} lines of the ledger.", _decisions),
    "queue": ReadTool("List the queues of promotions.", _queue),
    "attention": ReadTool("List what waits for a person, with the command for it.", _attention),
    "fleet": ReadTool("List the runs of the fleet that have not ended, and why.", _fleet),
}


def read_tools(inquiry: Inquiry) -> list[RegisteredTool]:
    """Return the tools of a question."""
    found = [
        RegisteredTool(
            define(
                name,
                tool.description,
                {
                    key: {"type": "string", "description": words}
                    for key, words in (tool.arguments or {}).items()
                },
                required=tool.required,
            ),
            _executor(inquiry, tool.read),
            is_inherited=False,
            needs=Permissions.READ_ONLY,
        )
        for name, tool in TOOLS.items()
    ]
    schema = query_schema()["properties"]
    assert isinstance(schema, dict)
    words = "\n".join(["Compute a figure of this table:", *table_lines()])
    properties = {key: value for key, value in schema.items() if isinstance(value, dict)}
    figure = define("figure", words, properties, required=["name"])
    return [
        *found,
        RegisteredTool(
            figure, _executor(inquiry, _figure), is_inherited=False, needs=Permissions.READ_ONLY
        ),
    ]


def _executor(inquiry: Inquiry, read: Callable[[Inquiry, Given], Json]) -> Executor:
    def answer(arguments: JsonObject) -> str:
        try:
            value = read(inquiry, {key: str(value) for key, value in arguments.items()})
        except (AttractorError, OSError, ValueError) as fault:
            # The words of an error may quote a file.
            raise ToolError(inquiry.redactor.text(words_of(fault))) from None
        return inquiry.redactor.text(json.dumps(value, ensure_ascii=False, default=str))

    return lambda arguments, environment: asyncio.to_thread(answer, arguments)
