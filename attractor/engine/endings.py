"""Writes how a run ended, or that its process was told to stop."""

from contextlib import suppress

from attractor.base.errors import AttractorError
from attractor.engine.documents import write_document
from attractor.engine.events import PipelineCompleted, PipelineFailed, RunInterrupted
from attractor.engine.open_run import OpenRun
from attractor.engine.results import RunResult, final_record, result_of
from attractor.engine.run_state import outcome_of
from attractor.engine.status import CANCELED, EVALUATING, FAILED


def end_run(run: OpenRun) -> RunResult:
    """Write how a run ended: final.json, the terminal event, the status, in this order."""
    outcome = outcome_of(run.state)
    is_good = outcome is not None and outcome.is_success and not run.state.why_canceled
    if not run.state.is_ended:
        run.save()
        final = final_record(run.manifest, run.state, run.clock.now())
        write_document(run.directory.final, run.redactor.members(final))
        run.record(_terminal_event(run, is_good=is_good), sync=True)
    reason = _result(run).reason
    if run.state.why_canceled:
        run.change_status(CANCELED, reason)
    else:
        run.change_status(EVALUATING if is_good else FAILED, reason)
    return _result(run)


def stop(run: OpenRun, reason: str) -> RunResult:
    """Note why the run goes on no further now; it stays where it is, to be resumed."""
    run.record(RunInterrupted(reason), sync=True)
    run.save()
    run.write_run()
    return _result(run)


def let_go(run: OpenRun) -> None:
    """Note that the process was told to stop; the run stays where it is, to be resumed."""
    # Whatever fails here must not hide that we were told to stop.
    with suppress(AttractorError):
        run.record(RunInterrupted("the process was told to stop"), sync=True)
        if run.state.progress:
            run.save()


def _terminal_event(run: OpenRun, *, is_good: bool) -> PipelineCompleted | PipelineFailed:
    result, seconds = _result(run), round(run.state.seconds(run.clock.now()), 6)
    if is_good and result.outcome:
        count = run.blobs.count()
        return PipelineCompleted(result.outcome.value, result.reason, seconds, count)
    return PipelineFailed(result.reason, seconds)


def _result(run: OpenRun) -> RunResult:
    return result_of(run.manifest, run.directory.root, run.state)
