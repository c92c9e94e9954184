"""Let one coding agent work in this folder, as a run with one stage."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.observers import read_outlook
from attractor.cli.runs.results import as_record, show_changes
from attractor.cli.runs.setup import budget_options, budgets_of, chosen_model_options, host_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.cli.shell_completion import complete_runs
from attractor.engine.outcome import describe_usage
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.stage.folder import SESSION
from attractor.engine.storage.json_files import read_untrusted
from attractor.engine.truncation import keep_ends
from attractor.factory.operations.start import start_run
from attractor.records.diagnosis.failures import budget_option
from attractor.records.lookup import find_run, reference_of
from attractor.records.request import RunRequest, WorkspaceKind
from attractor.records.summary import list_runs

_FILE = "agent.dot"
_NAME, _STAGE = "agent", "work"
_TRANSCRIPT = "transcript.jsonl"
# The file by which a backend continues a session; of a program, it is SESSION.
_CONVERSATIONS = {"agent": "conversation.jsonl"}
_LARGEST_ANSWER = 8 << 20


def pipeline_text(agent: str = "") -> str:
    """Return the pipeline of a session: one stage whose prompt is the goal."""
    # A session ends with the agent's last words; a report is possible, but not requested.
    own = f", agent={json.dumps(agent)}" if agent else ""
    return (
        f"digraph {_NAME} {{\n"
        "  start [shape=Mdiamond]; done [shape=Msquare]\n"
        f'  {_STAGE} [prompt="$goal", fidelity=full, thread_id={_NAME}, auto_status=true{own}]\n'
        f"  start -> {_STAGE} -> done\n"
        "}\n"
    )


@click.command()
@click.argument("task", nargs=-1, required=True, metavar="TASK")
@chosen_model_options
@click.option(
    "--agent",
    "agent_name",
    default="",
    metavar="NAME",
    help="Use the agent NAME (list: attractor agents).",
)
@click.option(
    "--backend",
    default="agent",
    show_default=True,
    help="Work with this backend, such as codex or claude.",
)
@click.option(
    "--sandbox",
    default="auto",
    show_default=True,
    help="Run tools in this sandbox: auto, bubblewrap, landlock or none.",
)
@click.option(
    "--continue", "continues", is_flag=True, help="Continue the conversation of the last session."
)
@click.option(
    "--run",
    "reference",
    default="",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Continue the session of this run.",
)
@budget_options
@json_option
@click.pass_obj
def agent(
    invocation: Invocation,
    task: tuple[str, ...],
    model: str,
    provider: str,
    agent_name: str,
    backend: str,
    sandbox: str,
    continues: bool,
    reference: str,
    max_cost_usd: float | None,
    max_tokens: int | None,
    max_duration: str,
    as_json: bool,
) -> ExitCode:
    """Let one coding agent work on TASK in the project folder.

    The agent's words and tool calls are printed to standard error, its last message to standard
    output. The session is a run: 'attractor steer latest TEXT' sends the agent a message, and
    'attractor logs --stage work' shows the session again. '-' reads TASK from standard input.
    """
    file = Path(_FILE).absolute()
    request = RunRequest(
        file=file,
        goal=_read_task(task),
        backend=backend,
        model=model,
        provider=provider,
        workspace=WorkspaceKind.IN_PLACE,
        sandbox=sandbox,
        budgets=budgets_of(max_cost_usd, max_tokens, max_duration),
        evaluate=False,
    )
    if continues or reference:
        request = _continue(request, _earlier_session(invocation, reference))
    watcher = Watcher(invocation, as_json=as_json, stage=_STAGE)
    host = host_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    texts = {str(file): pipeline_text(agent_name)}
    host = host.with_texts(texts)
    result = walk(start_run(request, host), watcher)
    outlook = read_outlook(result, host)
    folder = RunDirectory(result.directory).stage(_STAGE)
    if as_json:
        record = as_record(result, outlook)
        more = {
            "answer": _answer(folder),
            "transcript": str(folder / _TRANSCRIPT),
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
            "cost_usd": result.usage.cost_usd,
        }
        show_json({**record, **more}, is_line=True)
        return result.exit_code
    if answer := _answer(folder):
        show(answer)
    show_changes(outlook.changes)
    run = reference_of(result.directory, host.runs_dir)
    show("\n".join(_summary(result, folder, run)), err=True)
    return result.exit_code


def _read_task(words: tuple[str, ...]) -> str:
    """Return the task of the command line, or of standard input."""
    task = " ".join(words)
    if words == ("-",):
        content = sys.stdin.buffer.read() if sys.stdin else b""
        task = content.decode("utf-8", "replace")
        if "\N{REPLACEMENT CHARACTER}" in task:
            show("Bytes of the task that are not UTF-8 were replaced.", err=True)
    if not task.strip():
        raise UsageError("the task is empty", hint='describe it: attractor agent "TASK"')
    return task


def _earlier_session(invocation: Invocation, reference: str) -> Path:
    """Return the run directory of the session to continue."""
    runs_dir = invocation.configuration.settings.runs_dir
    # The newest run comes first.
    runs = [run.directory for run in list_runs(runs_dir)]
    candidates = [find_run(reference, runs_dir)] if reference else runs
    for root in candidates:
        directory = RunDirectory(root)
        folder = directory.stage(_STAGE)
        if not (folder / _TRANSCRIPT).is_file():
            continue
        manifest = read_manifest(directory)
        if manifest.pipeline == _NAME:
            return root
    raise UsageError(
        f"run {reference} is not a session" if reference else "no session to continue",
        hint="start one with: attractor agent TASK",
    )


def _continue(request: RunRequest, session: Path) -> RunRequest:
    """Return the request with an earlier session, by default with the backend of the session."""
    was = str(read_manifest(RunDirectory(session)).options.get("backend") or "agent")
    source = click.get_current_context().get_parameter_source("backend")
    backend = was if source is ParameterSource.DEFAULT else request.backend
    kept = RunDirectory(session).stage(_STAGE) / _CONVERSATIONS.get(was, SESSION)
    if backend == was and kept.is_file():
        return replace(request, backend=backend, continues=str(session))
    # The program cannot continue a session, or another one continues it.
    directory = RunDirectory(session)
    task = str(read_manifest(directory).options.get("goal") or "")
    told = f"{task}\n\n## Your answer\n\n{_answer(directory.stage(_STAGE))}"
    retold = f"# What was said before\n\n{keep_ends(told)}"
    return replace(request, backend=backend, goal=f"{request.goal}\n\n{retold}")


def _answer(folder: Path) -> str:
    """Return the last message of the agent."""
    place = folder / "response.md"
    if not place.is_file():
        return ""
    return read_untrusted(place, largest=_LARGEST_ANSWER).decode(errors="replace").strip()


def _summary(result: RunResult, folder: Path, run: str) -> list[str]:
    ended = result.outcome.value if result.outcome else "not ended"
    reason = f": {result.reason}" if result.reason else ""
    lines = [
        f"{ended}{reason}",
        f"used: {describe_usage(result.usage)}",
        f"transcript: {folder / _TRANSCRIPT}",
    ]
    if result.exit_code is ExitCode.UNFINISHED:
        more = " ".join(["", *budget_option(result.reason)])
        return [*lines, f"resume: attractor resume {run}{more}"]
    return [*lines, "continue: attractor agent --continue TASK"]


part = agent
