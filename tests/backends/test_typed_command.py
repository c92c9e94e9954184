"""The program of a command that a person typed, and what it reads."""

import shlex

from attractor.backends.models import ModelDefaults
from attractor.backends.registry import OutsideParts
from attractor.backends.typed_command import (
    describe_feedback,
    known_program,
    program_word,
    typed_program,
)
from tests.tables import table


@table(
    "typed, word, known",
    [
        ("claude -p x", "claude", "claude"),
        ("/opt/bin/codex exec x", "/opt/bin/codex", "codex"),
        ("env -i A=1 gemini -p x", "gemini", "gemini"),
        ("timeout -k 5s 10m env A=1 opencode run x", "opencode", "opencode"),
        ("timeout -s KILL 9 env -u A -C b codex exec", "codex", "codex"),
        ("npx -p @openai/codex codex exec x", "codex", "codex"),
        ("npx -y @anthropic-ai/claude-code@2.1 -p x", "@anthropic-ai/claude-code@2.1", "claude"),
        ("npx opencode-ai@latest run x", "opencode-ai@latest", "opencode"),
        ("make fix", "make", ""),
        ("sh -c claude", "sh", ""),
        ("env", "env", ""),
        ("timeout 10", "timeout", ""),
    ],
)
def test_program_is_found_behind_other_programs(typed: str, word: str, known: str) -> None:
    words = shlex.split(typed)
    found = known_program(words)
    assert (program_word(words), found.name if found else "") == (word, known)


@table(
    "typed, keys, providers",
    [
        ("claude -p x", ["OPENAI_API_KEY"], ["anthropic"]),
        ("opencode run x", ["GEMINI_API_KEY"], ["gemini"]),
        ("opencode run -m openai/gpt-5 x", ["GEMINI_API_KEY"], ["openai"]),
        ("opencode run --model claude-sonnet-4-5 x", ["GEMINI_API_KEY"], ["anthropic"]),
        ("make fix", ["GEMINI_API_KEY"], []),
    ],
)
def test_first_provider_is_that_of_the_model(
    typed: str, keys: list[str], providers: list[str]
) -> None:
    environ = {**dict.fromkeys(keys, "secret"), "PATH": "/usr/bin:/bin"}
    parts = OutsideParts(environ=environ, defaults=ModelDefaults(), command=shlex.split(typed))
    program = typed_program(parts)
    assert [*program.providers[:1]] == providers
    assert program.run == f"{shlex.join(shlex.split(typed))} 2>&1"


def test_feedback_has_counts_and_no_names() -> None:
    assert describe_feedback({}) == ""
    told = {"failed_scenarios": 2, "scenarios": 5, "rules": "correctness", "tags": "", "run": "01A"}
    said = describe_feedback({f"feedback.{name}": value for name, value in told.items()})
    assert "2 of 5 failed" in said
    assert "Rules that refused them: correctness" in said
    assert "01A" not in said
