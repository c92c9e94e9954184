"""Prints the result of a run and the next steps."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_duration
from attractor.base.records import write_fields
from attractor.cli.output.streams import show
from attractor.cli.runs.questions import next_commands
from attractor.engine.questions.question import (
    MAX_LISTED,
    Question,
    describe_question,
    sort_questions,
)
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    BOOTING,
    CANCELED,
    EVALUATING,
    EXECUTING,
    FAILED,
    WAITING,
)
from attractor.language.source.text import visible
from attractor.pipeline.source.gallery import gallery_word
from attractor.pipeline.status import status_words
from attractor.pipeline.workspace.diffstat import Diffstat
from attractor.records.delivery import DeliveredPatch, read_delivery
from attractor.records.diagnosis.failures import budget_option
from attractor.records.diagnosis.unchanged import describe_unchanged
from attractor.records.lookup import latest_verdict, reference_of
from attractor.records.request import RunRequest, read_request
from attractor.records.stage_output import FailedOutput, describe_failed_output, failed_output
from attractor.records.summary import NOT_JUDGED
from attractor.records.timeline import read_timeline


@dataclass(frozen=True)
class NextStep:
    """A next step: the purpose and the command."""

    purpose: str
    command: str
    remark: str = ""


@dataclass(frozen=True)
class NextStepFacts:
    """The facts besides the result that determine the next steps.

    Outside Git, a run has a patch instead of a Git branch; a patch with redacted secrets cannot be
    applied. A result with a suite is promoted, not merged by hand. `changes` are the changed files.
    `again` is the command that starts such a run again, if a command can. `unchanged` says that a
    run that waits for a decision changed no files. `failed_output` is of the stages that failed.
    """

    reference: str
    branch: str = ""
    patch: DeliveredPatch | None = None
    gate: bool | None = None
    has_suite: bool = False
    changes: Diffstat | None = None
    again: str = ""
    unchanged: str = ""
    failed_output: Sequence[FailedOutput] = ()


def read_next_step_facts(result: RunResult, runs_dir: Path) -> NextStepFacts:
    """Read the facts that determine the next steps."""
    delivery = read_delivery(RunDirectory(result.directory))
    manifest = read_manifest(RunDirectory(result.directory))
    return NextStepFacts(
        reference_of(result.directory, runs_dir),
        delivery.branch,
        delivery.patch,
        latest_verdict(result.directory),
        has_suite=bool(manifest.suite),
        again=_again(manifest),
        unchanged=describe_unchanged(result.directory)
        if result.status == AWAITING_DECISION
        else "",
        failed_output=failed_output(read_timeline(result.directory))
        if result.status == FAILED
        else (),
    )


def _again(manifest: Manifest) -> str:
    """Return the command that starts a run like this one.

    Return an empty text for a run with inputs, without a file, or with an unprintable goal. In the
    gallery, the only input is the test command.
    """
    request = read_request(manifest)
    is_plain = bool(request.gallery) or not request.inputs
    has_all = is_plain and not request.withheld and request.goal.isprintable()
    if not has_all or not (request.gallery or request.file.is_file()):
        return ""
    workspace = request.dimension or request.workspace
    here, file, budgets = Path.cwd(), request.file, request.budgets
    options = {
        "--goal": request.goal,
        "--backend": "" if request.backend == RunRequest.backend else request.backend,
        "--model": request.model,
        "--provider": request.provider if _needs_provider(request) else "",
        "--workspace": "" if workspace == RunRequest.workspace else workspace,
        # Any other is that which `auto` chose here.
        "--sandbox": request.sandbox if request.sandbox == "none" else "",
        "--max-cost-usd": "" if budgets.cost_usd is None else f"{budgets.cost_usd:.12g}",
        "--max-tokens": "" if budgets.tokens is None else str(budgets.tokens),
        "--max-duration": format_duration(budgets.duration) if budgets.duration else "",
        "--suite": manifest.suite.split("@")[0],
        "--profile": manifest.profile.split("@")[0],
    }
    shown = str(file.relative_to(here) if file.is_relative_to(here) else file)
    shown = gallery_word(request.gallery) if request.gallery else shown
    inputs = [f"--input={name}={value}" for name, value in request.inputs.items()]
    words = [word for name, value in options.items() if value for word in (name, value)]
    words += ["--include-dirty"] if request.include_dirty else []
    return shlex.join(["attractor", "run", shown, *words, *inputs])


def _needs_provider(request: RunRequest) -> bool:
    if not request.model:
        return bool(request.provider)
    # A run without models must not load their catalogue.
    from attractor.backends.provider_needs import provider_of

    return provider_of(request.model) != request.provider


def show_changes(changes: Diffstat | None) -> None:
    """Print the changed files of a run, if they are known."""
    if changes:
        show("\n".join(changes.lines()))


def as_record(result: RunResult, outlook: NextStepFacts) -> dict[str, object]:
    """Return a run's result as a JSON object."""
    return {
        "run_id": result.run_id,
        "directory": str(result.directory),
        "status": result.status.word.value,
        "phase": result.status.phase.value,
        "outcome": result.outcome.value if result.outcome else "",
        "reason": result.reason,
        "failed_output": [write_fields(output) for output in outlook.failed_output],
        "completed": list(result.completed),
        "assumed": list(result.assumed),
        "tree": result.tree,
        "exit_code": int(result.exit_code),
        "changes": outlook.changes.to_record() if outlook.changes else None,
        "result_patch": outlook.patch.to_record() if outlook.patch else None,
        "next": [step.command for step in next_steps(result, outlook)],
    }


def as_text(result: RunResult, outlook: NextStepFacts) -> str:
    """Return a run's result for people."""
    ended = result.outcome.value if result.outcome else "not ended"
    if not result.outcome and result.status == CANCELED:
        ended = result.reason or "canceled"
    else:
        ended = f"{ended}: {result.reason}" if result.reason else ended
    lines = [f"run {result.run_id}: {ended}"]
    lines += [f"  {line}" for line in describe_failed_output(outlook.failed_output)]
    is_judged = result.status != AWAITING_DECISION or outlook.has_suite
    if outlook.unchanged and outlook.gate is False:
        verdict = "no-go: " if is_judged else ""
        lines.append(f"  {verdict}{outlook.unchanged}")
    lines.append(f"  status: {status_words(result.status) if is_judged else NOT_JUDGED}")
    if result.status == AWAITING_ANSWER:
        questions = sort_questions(result.questions or filter(None, [result.question]))
        lines += [f"  question: {_asked(question)}" for question in questions[:MAX_LISTED]]
        more = len(questions) - MAX_LISTED
        lines += [f"  question: {more} more"] if more > 0 else []
    if result.assumed:
        named = ", ".join(result.assumed[:MAX_LISTED])
        more = len(result.assumed) - MAX_LISTED
        listed = f"{named} and {more} more" if more > 0 else named
        lines.append(f"  assumed: success of {listed}, because nothing was reported")
    lines += outlook.changes.lines() if outlook.changes and outlook.changes.files else []
    place_line = f"  stored in: {result.directory}"
    steps = [f"  {_line(step)}" for step in next_steps(result, outlook)]
    return "\n".join([*map(visible, [*lines, place_line]), *steps])


def next_steps(result: RunResult, outlook: NextStepFacts) -> Sequence[NextStep]:
    """Return the possible next steps."""
    run = outlook.reference
    look, merge = _of_files(outlook)
    if result.status == AWAITING_ANSWER:
        answers = [
            NextStep("answer" if at == 0 else "others", command, remark)
            for at, (command, remark) in enumerate(next_commands(result.questions, run))
        ]
        resume = f"attractor resume {run} --interviewer console"
        at_terminal = NextStep("resume", resume, "asks at the terminal")
        return [*look, *answers, at_terminal]
    # The whole output of the first failed command.
    stages = [f" --stage {shlex.quote(output.stage)}" for output in outlook.failed_output[:1]]
    logs = NextStep("look", f"attractor logs {run}{''.join(stages)}")
    more = " ".join(["", *budget_option(result.reason)])
    remark = "with a larger budget" if more else ""
    if result.status in (BOOTING, EXECUTING, WAITING):
        return [*look, NextStep("resume", f"attractor resume {run}{more}", remark), logs]
    if result.status == EVALUATING:
        # Without a suite, an evaluation can only end with no-go.
        evaluate = [
            NextStep("evaluate", f"attractor evaluate {run}{more}", remark)
        ] * outlook.has_suite
        return [*look, *evaluate, *merge]
    if result.status == AWAITING_DECISION and not outlook.has_suite:
        return [*look, *merge]
    if result.status == AWAITING_DECISION and outlook.gate is False:
        reject = f"attractor decide {run} --reject --reason '...'"
        why_not = NextStep("why not", f"attractor gate {run}")
        again = [NextStep("again", f"{outlook.again} --feedback {run}")] * bool(outlook.again)
        return [*look, why_not, NextStep("decide", reject), *again]
    if result.status == AWAITING_DECISION:
        approve = f"attractor decide {run} --approve --reason '...'"
        review = NextStep("review", f"attractor decide {run}")
        return [*look, review, NextStep("decide", approve)]
    why = [NextStep("why", f"attractor diagnose {run}")] * (result.status == FAILED)
    return [*look, logs, *why]


def _of_files(outlook: NextStepFacts) -> tuple[Sequence[NextStep], Sequence[NextStep]]:
    """Return the steps to inspect the result, and to merge a result without a suite."""
    if outlook.unchanged:
        return [], []
    if outlook.branch:
        look = NextStep("look", f"git diff HEAD...{outlook.branch}")
        merge = NextStep("merge", f"git merge {outlook.branch}", "no suite has judged it")
    elif outlook.patch:
        place = shlex.quote(str(outlook.patch.place))
        if not outlook.patch.is_redacted:
            look = NextStep("look", f"git apply --stat {place}")
        else:
            note = (
                "cannot be applied, because secrets are replaced by ***; the original files are in"
            )
            look = NextStep("look", f"cat {place}", f"{note} {outlook.patch.folder} until gc")
        merge = NextStep("apply", outlook.patch.applying, "in the project's folder")
    else:
        return [], []
    return [look], [] if outlook.has_suite else [merge]


def _line(step: NextStep) -> str:
    remark = f"   ({step.remark})" if step.remark else ""
    return f"{step.purpose + ':':<10}{step.command}{remark}"


def _asked(question: Question) -> str:
    options = ", ".join(f"{option.key} ({option.label})" for option in question.options)
    return visible(f"{describe_question(question)} [{options}]")
