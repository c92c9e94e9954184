"""The registry of backends, and custom backends."""

import asyncio
import inspect
import subprocess
import sys
from typing import Any

import pytest

from attractor.backends.registry import (
    BackendParts,
    adapt_backend,
    backend_registry,
    require_arguments,
)
from attractor.backends.simulate import Simulate
from attractor.base.errors import UsageError
from attractor.base.registry import find_shortcoming
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, success
from attractor.engine.seams import Backend, ModelAnswer
from attractor.language.graph.graph import Node
from tests.handlers.stages import Play, graph, node
from tests.tables import table

NAMES = list(backend_registry())


def test_simulate_is_a_backend() -> None:
    assert "simulate" in NAMES


@table("name", NAMES)
def test_backend_is_built_from_parts(name: str) -> None:
    kind = backend_registry()[name]
    assert find_shortcoming(kind(BackendParts()), Backend) == ""
    assert inspect.getdoc(kind)
    assert inspect.getdoc(kind.run)
    assert inspect.getdoc(kind.steer)
    assert backend_registry().summary(name)


@table("name", NAMES)
def test_backend_without_a_running_stage_accepts_no_messages(name: str) -> None:
    backend = backend_registry()[name](BackendParts())
    assert asyncio.run(backend.steer("plan", "hurry")) is False


def test_simulate_needs_no_model_client() -> None:
    code = "import sys, attractor.backends.simulate; sys.exit('attractor.llm' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], check=False)
    assert result.returncode == 0


def plain(node: Node, prompt: str, context: Context) -> str:
    return f"{node.id}: {prompt} {context.get('a')}"


async def waiting(node: Node, prompt: str, context: Context) -> str:
    await asyncio.sleep(0)
    return plain(node, prompt, context)


class Callable:
    async def __call__(self, node: Node, prompt: str, context: Context) -> str:
        return plain(node, prompt, context)


class Running:
    def run(self, node: Node, prompt: str, context: Context) -> Outcome:
        return success(plain(node, prompt, context))


def play() -> Play:
    made = Play(graph(node("it")), "it")
    made.context.set("a", 1)
    return made


@table("backend", [plain, waiting, Callable()])
def test_a_function_is_a_backend_async_or_not(backend: Any) -> None:
    adapted = adapt_backend(backend)
    assert asyncio.run(adapted.run(play().stage, "Do")) == "it: Do 1"
    assert asyncio.run(adapted.answer(play().stage, "Say")) == ModelAnswer("it: Say 1")
    assert not asyncio.run(adapted.steer("it@1.1", "Hurry"))


def test_an_object_may_return_an_outcome() -> None:
    adapted = adapt_backend(Running())
    assert asyncio.run(adapted.run(play().stage, "Do")) == success("it: Do 1")
    assert asyncio.run(adapted.answer(play().stage, "Do")) == success("it: Do 1")


def test_own_backend_is_unchanged() -> None:
    ours = Simulate(BackendParts())
    assert adapt_backend(ours) is ours


def test_other_return_types_fail_the_stage() -> None:
    def odd(node: Node, prompt: str, context: Context) -> Any:
        return None

    outcome = asyncio.run(adapt_backend(odd).run(play().stage, "Do"))
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.TERMINAL)
    assert "NoneType" in outcome.failure_reason


class Half:
    def run(self, stage: object, prompt: str) -> str:
        return prompt


@table("wrong", [Running, object(), 7, Half(), lambda: ""])
def test_object_without_backend_methods_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="backend"):
        adapt_backend(wrong)


@table(
    ("backend", "words", "fault"),
    [
        ("claude", "--max-turns 5 --disallowedTools=Bash,Edit --append-system-prompt Brief.", ""),
        ("codex", "-c model_reasoning_effort=high", ""),
        ("gemini", "--extensions none", ""),
        ("opencode", "--agent plan --variant=high", ""),
        ("agent", "", ""),
        ("agent", "--max-turns 5", "agent takes no arguments after --"),
        ("simulate", "x", "simulate takes no arguments"),
        ("acp", "x", "acp takes no arguments"),
        ("command", "x", "command takes no arguments"),
        ("claude", "--max-turns", "invalid value '' of --max-turns"),
        ("claude", "--disallowedTools --settings=x", "invalid value '--settings=x'"),
        ("claude", "--max-turns 5 do-this", "claude cannot get do-this"),
        ("claude", "--dangerously-skip-permissions", "claude cannot get --dangerously"),
        ("claude", "--settings {}", "claude cannot get --settings"),
        ("claude", "--mcp-config=x", "claude cannot get --mcp-config"),
        ("claude", "--permission-mode plan", "claude cannot get --permission-mode"),
        ("claude", "--add-dir /", "claude cannot get --add-dir"),
        ("claude", "--model x", "claude cannot get --model"),
        ("codex", "-c sandbox_mode=read-only", "invalid value 'sandbox_mode=read-only' of -c"),
        ("codex", "-c model_verbosity=low,model_provider=x", "invalid value"),
        ("codex", "--sandbox read-only", "codex cannot get --sandbox"),
        ("codex", "--cd /", "codex cannot get --cd"),
        ("gemini", "--include-directories /", "gemini cannot get --include-directories"),
        ("opencode", "--share", "opencode cannot get --share"),
    ],
)
def test_arguments_that_could_weaken_the_sandbox_are_refused(
    backend: str, words: str, fault: str
) -> None:
    if not fault:
        return require_arguments(backend, words.split())
    with pytest.raises(UsageError) as refused:
        require_arguments(backend, words.split())
    assert fault in refused.value.message
    return None
