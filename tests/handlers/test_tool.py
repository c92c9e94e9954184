from datetime import timedelta

from attractor.base.processes import ExecResult
from attractor.engine.outcome import FailureClass, StageStatus
from attractor.engine.storage.secrets import Redactor
from attractor.language.declarations.inputs import LARGEST_VARIABLE
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import Play, Shell, graph, node
from tests.tables import table


def play(result: ExecResult | None = None, **plain: Plain) -> Play:
    pipeline = graph(node("check", shape="parallelogram", **plain))
    shell = Shell(result or ExecResult("", "", 0, False, 1))
    return Play(pipeline, "check", shell=shell)


def ended(code: int, out: str = "", err: str = "") -> ExecResult:
    return ExecResult(out, err, code, False, 1)


def test_nonzero_exit_code_is_a_verdict_with_the_last_output() -> None:
    it = play(ended(2, "1 failed\n", "trace\nAssertionError: no\n\n"), tool_command="make test")
    outcome = it.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.VERDICT
    assert outcome.failure_reason == "tool_command ended with exit code 2: AssertionError: no"
    assert outcome.context_updates == {"tool.output": "1 failed\n"}
    assert it.files.texts == {
        "stdout.txt": "1 failed\n",
        "stderr.txt": "trace\nAssertionError: no\n\n",
        "output.txt": "1 failed\ntrace\nAssertionError: no\n\n",
    }


def test_no_output_contains_a_secret() -> None:
    it = play(ended(0, "with hunter2-hunter2\n", "and hunter2-hunter2\n"), tool_command="make")
    it.files.redactor = Redactor(["hunter2-hunter2"])
    it.run()
    assert it.files.texts == {
        "stdout.txt": "with ***\n",
        "stderr.txt": "and ***\n",
        "output.txt": "with ***\nand ***\n",
    }


@table(
    ("out", "reason"),
    [
        ("said on standard output\n", "exit code 1: said on standard output"),
        ("", "exit code 1"),
        ("x" * 999, "exit code 1: " + "x" * 199 + "…"),
    ],
)
def test_the_reason_is_short(out: str, reason: str) -> None:
    outcome = play(ended(1, out), tool_command="false").run()
    assert outcome.failure_reason == f"tool_command ended with {reason}"


@table("timeout", ["250ms", timedelta(milliseconds=250)])
def test_the_time_limit_may_be_quoted(timeout: Plain) -> None:
    it = play(tool_command="make", timeout=timeout)
    it.run()
    assert it.shell.commands == [("make", 250)]


@table("plain", [{}, {"tool_command": ""}, {"tool_command": " \n"}])
def test_a_tool_without_a_command_is_a_mistake_in_the_pipeline(plain: dict[str, str]) -> None:
    it = play(None, **plain)
    outcome = it.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.PIPELINE
    assert outcome.failure_reason == "No tool_command specified: check"
    assert it.shell.commands == []


def test_the_command_gets_the_inputs_as_variables() -> None:
    it = play(tool_command="make")
    it.inputs = {"folder": "a b", "count": "3"}
    it.run()
    assert it.shell.variables == {
        "ATTRACTOR_INPUT_FOLDER": "a b",
        "ATTRACTOR_INPUT_COUNT": "3",
        "ATTRACTOR_IDEMPOTENCY_KEY": "nowhere:check:1",
    }


def test_input_that_no_variable_can_contain_is_a_pipeline_fault() -> None:
    longest = "é" + "x" * (LARGEST_VARIABLE - len("ATTRACTOR_INPUT_SPEC=") - len("é".encode()))
    for value, fault in (
        (longest, ""),
        (f"{longest}x", f"has {LARGEST_VARIABLE + 1} bytes as a variable"),
        ("a\0b", "contains a NUL byte"),
    ):
        it = play(tool_command="make")
        it.inputs = {"spec": value}
        outcome = it.run()
        if fault:
            assert outcome.failure_class is FailureClass.PIPELINE
            assert outcome.failure_reason.startswith(f"the input spec {fault}")
        assert len(it.shell.commands) == (not fault)


def test_missing_secret_input_is_a_pipeline_fault() -> None:
    it = play(tool_command="make", secrets="token")
    assert it.run().failure_reason == "this run has no secret input token for check"
    assert it.shell.commands == []


def test_the_specifications_name_goes_first() -> None:
    it = play(script="no", tool_command="yes")
    it.run()
    assert it.shell.commands[0][0] == "yes"


def test_the_goal_is_not_put_into_a_command() -> None:
    it = Play(graph(node("check", type="tool", tool_command="echo $goal"), goal="; rm x"), "check")
    it.run()
    assert it.shell.commands[0][0] == "echo $goal"


def test_long_output_is_truncated_in_the_context_only() -> None:
    out = "first\n" + "x" * 100_000 + "\nlast\n"
    it = play(ended(0, out), tool_command="make")
    kept = it.run().context_updates["tool.output"]
    assert isinstance(kept, str)
    assert len(kept) < 9_000
    assert kept.startswith("first\n")
    assert kept.endswith("\nlast\n")
    assert "bytes omitted" in kept
    assert it.files.texts["stdout.txt"] == out


def test_a_long_command_is_cut_in_the_notes() -> None:
    assert len(play(tool_command="x" * 5000).run().notes) < 250


def test_missing_program_is_named_first() -> None:
    said = "collecting\nbash: line 2: pytest: command not found\nand more\n"
    outcome = play(ended(127, "", said), tool_command="make test").run()
    assert outcome.failure_class is FailureClass.VERDICT
    assert outcome.failure_reason == (
        "command not found: pytest (tool_command ended with exit code 127)"
    )
