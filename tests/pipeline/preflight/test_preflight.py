"""The default model of a run: from the options, the settings, or the only API key."""

import asyncio
from pathlib import Path

from attractor.backends.models import newest_model
from attractor.config.settings import LlmSettings
from attractor.language import parse
from attractor.pipeline.preflight.preflight import choose_default_model
from attractor.pipeline.project.run_scope import RunScope
from attractor.records.request import RunRequest
from tests.pipeline.projects import adjusted, open_project
from tests.tables import table

GRAPH = parse("digraph g { start; a [prompt=x]; exit; start -> a -> exit }")
KEY = {"OPENAI_API_KEY": "k"}


@table(
    ("options", "settings", "expected", "notices"),
    [
        ({"model": "gpt-5"}, {"model": "opus"}, ("gpt-5", ""), 0),
        (
            {"provider": "anthropic"},
            {"model": "gpt-5"},
            (newest_model("anthropic"), "anthropic"),
            1,
        ),
        ({}, {"model": "opus"}, ("opus", ""), 0),
        ({}, {"provider": "openai"}, (newest_model("openai"), "openai"), 1),
        ({}, {}, (newest_model("openai"), "openai"), 1),
        ({"model": "gpt-5.22"}, {}, ("gpt-5.22", ""), 1),
        ({"backend": "simulate"}, {}, ("", ""), 0),
    ],
)
def test_options_override_settings_and_settings_override_the_key(
    options: dict[str, str],
    settings: dict[str, str],
    expected: tuple[str, str],
    notices: int,
    tmp_path: Path,
) -> None:
    opened = adjusted(open_project(tmp_path), llm=LlmSettings(**settings), environ=KEY)  # pyright: ignore[reportArgumentType]
    request = RunRequest(file=tmp_path / "g.dot", **options)  # pyright: ignore[reportArgumentType]
    chosen, output = asyncio.run(choose_default_model([GRAPH], request, RunScope.of(opened)))
    assert (chosen.model, chosen.provider) == expected
    assert len(output) == notices
