"""Offers pipelines and runs as tools of an MCP server, for coding agents.

The tools check, simulate and draw pipelines, start runs, show them and answer their questions, and
have changes judged. No tool decides, promotes or creates tokens: those belong to a person.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import anyio.to_thread
import mcp_types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from pydantic import Field, StrictBool, ValidationError

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.json import Json
from attractor.base.toml import printable
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.truncation import shorten
from attractor.factory.evaluation.failed_scenarios import verdict_record
from attractor.factory.operations.evaluate import ask_gate
from attractor.interviewers.registry import read_name
from attractor.language.drawing.draw import Format, render_async
from attractor.pipeline.source.files import read_pipeline_file
from attractor.pipeline.status import read_status
from attractor.records.drawing import read_drawn
from attractor.records.open_work import question_records
from attractor.records.request import read_request
from attractor.records.summary import summarize
from attractor.server.access.callers import Caller
from attractor.server.processes.bodies import (
    LONGEST_SOURCE,
    Body,
    InvalidFields,
    PickedAnswerBody,
    StartBody,
    Word,
)
from attractor.server.processes.run_processes import RunCommand
from attractor.server.resources import language
from attractor.server.run_actions import answer_question, name_of, orders_to, start_run
from attractor.server.service import Service
from attractor.workspaces.create.registry import workspace_registry

MCP = "mcp"
"""The value in the manifest of a run that an agent started with the tool `run`."""

INSTRUCTIONS = """Attractor runs pipelines drawn as DOT graphs: coding agents execute the stages.
Work in this order: write a pipeline file, validate it until no diagnostic is left, simulate it with
failures and answers, then run it. A run takes minutes or hours: look at its status now and then.
If a run that you started asks a question, answer it only as the person you work for told you.
The tool judge has changes judged by hidden scenarios; call it if the person wants a verdict.
Decisions about results belong to a person, who types `attractor decide`."""

LONGEST_CLIENT = 100

Content = str | bytes | Json
"""The result of a tool: a text, a PNG image, or a value that is sent as JSON."""


class ChosenPipeline(Body):
    """A pipeline file of the project, or a text."""

    file: str = Field(
        default="",
        max_length=1000,
        description="A pipeline file, relative to the project's root, such as `pipelines/a.dot`.",
    )
    source: str = Field(
        default="",
        max_length=LONGEST_SOURCE,
        description="DOT text instead of the content of a file. Relative names in it start from "
        "the folder of `file` (default: the project's root).",
    )

    def fields(self, service: Service) -> dict[str, Any]:
        """Return the fields of the text; refuse a file outside of the project, or a hidden one."""
        if self.source:
            return {"source": self.source, "file": self.file or "pipeline.dot"}
        if not self.file:
            hint = "pass file (a path in the project) or source (DOT text)"
            raise UsageError("no pipeline is named", hint=hint)
        found = read_pipeline_file(service.project.root, self.file, service.project.runs_dir)
        if len(found.text) > LONGEST_SOURCE:
            raise UsageError(
                f"{found.name} has more than {LONGEST_SOURCE:,} characters",
                hint=f"type 'attractor validate {found.name}', or move parts to child pipelines",
            )
        return {"source": found.text, "file": found.name}


class SimulatedPipeline(ChosenPipeline):
    """A pipeline to walk through."""

    outcomes: Mapping[str, Any] = Field(
        default_factory=dict[str, Any],
        description='Outcomes by node, such as {"test": "fail"}, or {"test": ["fail", "success"]} '
        "for its visits (default: success).",
    )
    answers: Mapping[str, list[str]] = Field(
        default_factory=dict[str, list[str]],
        description='Choices by human gate, one for each visit, such as {"review": ["Approve"]}.',
    )
    coverage: StrictBool = Field(
        default=False,
        description="Try every outcome instead, and list nodes and edges that no walk reaches.",
    )


class DrawnPipeline(ChosenPipeline):
    """A pipeline or a run to draw."""

    run: Word = Field(default="", description="Draw this run, with the state of its stages.")
    format: Literal["svg", "png", "mermaid"] = Field(
        default="svg", description="svg and mermaid are texts; png is an image."
    )


class ChosenRun(Body):
    """A run of the project."""

    run: Word = Field(
        default="latest", description="The id of a run, a unique beginning of it, or `latest`."
    )


class NamedWork(Body):
    """Work to judge, which is there already."""

    suite: Word = Field(
        default="", description="The suite that judges it (default: that of the settings)."
    )
    branch: Word = Field(
        default="",
        description="A branch or a commit (default: the uncommitted changes of the project).",
    )


class RunAnswer(PickedAnswerBody):
    """The answer to a question of a run."""

    run: Word = Field(min_length=1, description="The id of the run.")


def _validate(service: Service, caller: Caller, body: ChosenPipeline) -> Content:
    return language.validate(service, language.PipelineText(**body.fields(service)))


def _simulate(service: Service, caller: Caller, body: SimulatedPipeline) -> Content:
    fields = body.fields(service)
    if body.coverage:
        return language.coverage(service, language.PipelineText(**fields))
    script = language.SimulatedPipeline(outcomes=body.outcomes, answers=body.answers, **fields)
    return language.simulate(service, script)


def _render(service: Service, caller: Caller, body: DrawnPipeline) -> Content:
    if body.run and (body.file or body.source):
        raise UsageError("run cannot be combined with file or source", hint="pass only one of them")
    if body.run:
        drawn = read_drawn(RunDirectory(service.root(body.run))).picture
    else:
        drawn = language.PipelineText(**body.fields(service)).graph(service)
    content = asyncio.run(render_async(drawn, format=Format(body.format)))
    return content if body.format == Format.PNG else content.decode()


def _run(service: Service, caller: Caller, body: StartBody) -> Content:
    # A coding agent cannot start a run with fewer limits than it may have itself.
    if read_name(body.interviewer).file:
        raise UsageError(
            "a coding agent cannot start a run whose interviewer reads or writes a file",
            hint="leave out the file, or let a person type 'attractor run'",
        )
    if body.sandbox == "none" or not _is_apart(body.workspace):
        raise UsageError(
            "a coding agent cannot start a run without a sandbox, or in the project's own folder",
            hint="leave out sandbox and workspace, or let a person type 'attractor run'",
        )
    if body.allow:
        raise UsageError(
            "a coding agent cannot allow tool calls", hint="leave out allow: a person is asked"
        )
    started = start_run(service, body, caller)
    return {"run": started.id, "status": started.status}


def _is_apart(workspace: str) -> bool:
    """Return whether a workspace is no folder of a person; a dimension may be one."""
    kinds = workspace_registry()
    return workspace in kinds and kinds[workspace].is_apart


def _status(service: Service, caller: Caller, body: ChosenRun) -> Content:
    root = service.root(body.run)
    name = name_of(service, root)
    questions = question_records(orders_to(service, body.run, caller).questions(), name)
    return {**read_status(root, service.project.runs_dir).to_record(), "questions": [*questions]}


def _answer(service: Service, caller: Caller, body: RunAnswer) -> Content:
    outermost = name_of(service, service.root(body.run)).partition(":")[0]
    manifest = read_manifest(RunDirectory(service.root(outermost)))
    if read_request(manifest).started_by != MCP:
        raise UsageError(
            f"a coding agent did not start run {outermost}, so it cannot answer its questions",
            hint=f"let the person type: attractor answer {outermost}",
        )
    result = answer_question(
        service, body.run, caller, answer=body.answer, question=body.question, why=body.why
    )
    return result.model_dump()


def _judge(service: Service, caller: Caller, body: NamedWork) -> Content:
    work = f"--branch={body.branch}" if body.branch else "--diff=HEAD"
    suite = [f"--suite={body.suite}"] if body.suite else []
    command = RunCommand("judge", options=[work, *suite])
    record = service.processes.complete(command, by=caller.name)
    shown = {name: record[name] for name in ("verdict", "changes", "next", "gate")}
    return {"run": record["run_id"], **shown}


def _verdict(service: Service, caller: Caller, body: ChosenRun) -> Content:
    root = service.root(body.run)
    _, judged = ask_gate(root, service.opened)
    shown = {"run": name_of(service, root), "status": summarize(root).status}
    return {**shown, **verdict_record(judged, to_operator=False)}


@dataclass(frozen=True)
class McpTool:
    """A tool: its name, its description for a model, its arguments, and the function."""

    name: str
    description: str
    body: type[Body]
    call: Callable[[Service, Caller, Any], Content]
    only_reads: bool = True

    def offered(self) -> mcp_types.Tool:
        """Return the tool as the protocol lists it."""
        return mcp_types.Tool(
            name=self.name,
            description=self.description,
            input_schema=self.body.model_json_schema(),
            annotations=mcp_types.ToolAnnotations(
                read_only_hint=self.only_reads, open_world_hint=False
            ),
        )

    def result(
        self, service: Service, caller: Caller, arguments: Mapping[str, Any]
    ) -> mcp_types.CallToolResult:
        """Call the tool; an error is a result with the remedy."""
        try:
            try:
                body = self.body.model_validate(arguments)
            except ValidationError as cause:
                hint = f"the arguments of {self.name} are {', '.join(self.body.model_fields)}"
                raise InvalidFields.of(cause, hint=hint) from cause
            content = self.call(service, caller, body)
        except AttractorError as error:
            redact = service.project.redactor.text
            lines = [error.message]
            if error.hint:
                lines.append(f"remedy: {error.hint}")
            if error.details:
                lines.append(json.dumps(dict(error.details), default=str))
            return mcp_types.CallToolResult(
                content=[_text(redact("\n".join(lines)))], is_error=True
            )
        if isinstance(content, bytes):
            data = base64.b64encode(content).decode()
            block = mcp_types.ImageContent(type="image", data=data, mime_type="image/png")
        else:
            block = _text(
                content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            )
        return mcp_types.CallToolResult(content=[block])


TOOLS = (
    McpTool(
        "validate",
        "Check a pipeline for errors, as `attractor validate` does. Returns the diagnostics: rule, "
        "severity, message, line and fix. An error prevents a run. Executes nothing.",
        ChosenPipeline,
        _validate,
    ),
    McpTool(
        "simulate",
        "Walk through a pipeline without executing it. Each step lists the outgoing edges, and why "
        "each was taken or not. Set outcomes and answers to try failures and human gates, or "
        "coverage to find unreachable nodes and edges.",
        SimulatedPipeline,
        _simulate,
    ),
    McpTool(
        "render",
        "Draw a pipeline, or the progress of a run.",
        DrawnPipeline,
        _render,
    ),
    McpTool(
        "run",
        "Start a run of a pipeline file, a DOT source or a registered pipeline, in a process of "
        "its own, and return its id at once. The run continues when this session ends. Models cost "
        "money: set max_cost_usd. Use backend `simulate` to execute no model.",
        StartBody,
        _run,
        only_reads=False,
    ),
    McpTool(
        "status",
        "Show the status of a run: outcome, reason, current stage, cost, and its open questions "
        "with their choices.",
        ChosenRun,
        _status,
    ),
    McpTool(
        "answer",
        "Answer a question of a run that the tool `run` started. A waiting run continues. Ask your "
        "user first: human gates are questions to a person.",
        RunAnswer,
        _answer,
        only_reads=False,
    ),
    McpTool(
        "judge",
        "Have hidden scenarios judge the uncommitted changes, or a branch. Returns the verdict, "
        "counts, the changed files, and commands that your user can type next; do not type them. "
        "It takes minutes, and counts as an attempt on the suite, whose number is limited: call it "
        "once, if your user wants a verdict. If you see no result in time, call `verdict`.",
        NamedWork,
        _judge,
        only_reads=False,
    ),
    McpTool(
        "verdict",
        "Show the verdict of the gate on a run: go or no-go, each rule with its figure, and counts "
        "of held-out scenarios. Evaluates and decides nothing. While the status is `executing` or "
        "`evaluating`, there is no verdict yet: ask again later.",
        ChosenRun,
        _verdict,
    ),
)


def _text(text: str) -> mcp_types.TextContent:
    return mcp_types.TextContent(type="text", text=text)


def build_server(
    service: Service, caller: Caller, tools: Sequence[McpTool] = TOOLS
) -> Server[dict[str, Any]]:
    """Return an MCP server of a project; its actions are recorded with the name of the caller."""
    by_name = {one.name: one for one in tools}

    async def list_tools(
        context: object, page: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(tools=[one.offered() for one in tools])

    async def call_tool(
        context: ServerRequestContext[dict[str, Any]], request: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        tool = by_name.get(request.name)
        if tool is None:
            words = f"unknown tool {request.name!r}\nremedy: call one of {', '.join(by_name)}"
            return mcp_types.CallToolResult(content=[_text(words)], is_error=True)
        arguments = request.arguments or {}
        by = replace(caller, client=_client_of(context))
        return await anyio.to_thread.run_sync(tool.result, service, by, arguments)

    return Server(
        "attractor",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _client_of(context: ServerRequestContext[dict[str, Any]]) -> str:
    """Return name and version of the client, as it says itself."""
    parameters = context.session.client_params
    info = parameters.client_info if parameters else None
    words = printable(f"{info.name} {info.version}") if info else ""
    return shorten(words.strip(), LONGEST_CLIENT) or "unknown client"


async def serve_stdio(service: Service, caller: Caller) -> None:
    """Serve the tools over standard input and output, until the input ends."""
    server = build_server(service, caller)
    async with service.running(), stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
