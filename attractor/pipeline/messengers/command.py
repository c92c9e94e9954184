"""Notifies people by running the configured command, outside of every sandbox."""

from attractor.base.durations import describe_duration
from attractor.base.json import JsonObject
from attractor.base.processes import ExecResult, OutputLimit, run_process
from attractor.environments.missing_program import missing_command
from attractor.pipeline.notifications import Messenger, encode_notice, variables_of
from attractor.pipeline.project.project import Notify

SHELL = "/bin/bash"
LONGEST_WORDS = OutputLimit(head=2_000, tail=2_000)


async def send(notice: JsonObject, notify: Notify) -> str:
    """Run the command, with the notice in environment variables and on standard input."""
    result = await run_process(
        [SHELL, "-c", notify.command],
        cwd=notify.folder,
        env={**notify.variables, **variables_of(notice)},
        timeout=notify.time_limit,
        stdin=encode_notice(notice),
        keep=LONGEST_WORDS,
    )
    if result.timed_out:
        return f"the command did not end within {describe_duration(notify.time_limit)}"
    return _fault(result) if result.exit_code else ""


def _fault(result: ExecResult) -> str:
    code = f"exit code {result.exit_code}"
    if missing := missing_command(result):
        return f"{missing} ({code})"
    last = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:]
    return ": ".join([code, *last])


part: Messenger = send
