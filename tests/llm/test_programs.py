"""The programs in the documentation run unchanged, with a twin for the providers."""

import tomllib
from pathlib import Path

import pytest

from attractor.config.schema import keys_at
from attractor.config.settings import Settings
from attractor.config.tables import model_of
from tests.examples import Fence, fences
from tests.llm.asking import speaking
from tests.prepared import run_program

ASK = """
[[rules]]
when = { first_user = "Alice" }
answer.text = '{"name": "Alice", "age": 30}'
[[rules]]
when = { first_user = "haiku" }
[rules.answer]
text = "Old silent code waiting for tests"
thinking = "Hm."
usage = { input = 7, output = 4 }
[[rules]]
when = { first_user = "recipes" }
answer.text = '{"recipes": ["soup", "salad", "bread", "cake", "tea"]}'
[[rules]]
when = { first_user = "weather", step = 1, tool_result = "sunny in New York" }
answer.text = "Sunny in San Francisco and New York."
[[rules]]
when = { first_user = "weather" }
answer.tool_calls = [
    { name = "get_weather", arguments = { city = "San Francisco" } },
    { name = "get_weather", arguments = { city = "New York" } },
]
[[rules]]
answer = { text = "Hello to you.", usage = { input = 7, output = 4 } }
"""
MIDDLEWARE = """
[[rules]]
when = { wire = "openai", words = "[secret]" }
answer.fault = { kind = "status", status = 503, message = "down" }
[[rules]]
when = { wire = "anthropic", words = "[secret]" }
answer = { text = "It is.", usage = { input = 7, output = 4 } }
[[rules]]
when = { wire = "anthropic", words = "Who are you?" }
answer.text = "I am a twin."
"""
PRINTED: dict[str, tuple[str, list[list[str]]]] = {
    "ask-models-from-a-program.md": (
        ASK,
        [
            ["Hello to you.\n11 stop\n"],
            ["Old silent code waiting for tests\n11\n"],
            ["thinking: Hm.\nOld silent code waiting for tests\nstop: 4 tokens\n"],
            ["Hello to you.\n"],
            ["Sunny in San Francisco and New York."],
            ["{'name': 'Alice', 'age': 30}\n"],
            ["so far: 5\n{'recipes': ['soup', 'salad', 'bread', 'cake', 'tea']}\n"],
            ["Hello to you.\n"],
            ["Hello to you.\nOld silent code waiting for tests\n2 calls\n"],
        ],
    ),
    "model-middleware.md": (
        MIDDLEWARE,
        [
            [
                "It is.\n",
                "fell_back anthropic/claude-opus-4-6 answered because openai/gpt-5.2 failed: Serv",
                "secrets_replaced replaced secrets in 1 place",
                "\n1 11\n",
            ],
            ["no cached answer for this request to openai/gpt-5.2: answers is empty (set mode="],
            ["I am a twin.\nI am a twin.\n24 letters\n"],
        ],
    ),
}
PROGRAMS = [
    (script, fence, example)
    for page, (script, printed) in PRINTED.items()
    for fence, example in zip(
        [one for one in fences("python") if one.page.name == page], printed, strict=True
    )
]


@pytest.mark.parametrize(("script", "fence", "printed"), PROGRAMS)
def test_a_program_of_the_documentation_runs(
    script: str, fence: Fence, printed: list[str], tmp_path: Path
) -> None:
    with speaking(script) as twin:
        ended = run_program(fence.text, tmp_path, twin.environ())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [words for words in printed if words not in ended.stdout] == []


def test_the_documented_settings_of_middleware_are_all_there_are() -> None:
    [fence] = [one for one in fences("toml") if one.page.name == "model-middleware.md"]
    model_of(Settings).model_validate(tomllib.loads(fence.text))
    of_middleware = {*keys_at(Settings, ("llm",))} - {"model", "provider"}
    assert set(tomllib.loads(fence.text)["llm"]) == of_middleware
