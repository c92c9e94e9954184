"""The programs that the documentation shows run as they stand, with a twin for the providers."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from attractor.config.settings import Settings
from tests.examples import ROOT, Fence, fences
from tests.llm.asking import speaking

SCRIPT = """
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
PAGE = "model-middleware.md"
PROGRAMS = [one for one in fences("python") if one.page.name == PAGE]
PRINTED = [
    [
        "It is.\n",
        "fell_back anthropic/claude-opus-4-6 answered because openai/gpt-5.2 failed: ServerError",
        "secrets_replaced replaced secrets in 1 place",
        "\n1 11\n",
    ],
    ["no cached answer for this request to openai/gpt-5.2: answers is empty\n"],
    ["I am a twin.\nI am a twin.\n24 letters\n"],
]


@pytest.mark.parametrize(("fence", "printed"), list(zip(PROGRAMS, PRINTED, strict=True)))
def test_a_program_of_the_page_runs(fence: Fence, printed: list[str], tmp_path: Path) -> None:
    with speaking(SCRIPT) as twin:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", fence.text],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), **twin.environ()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    for words in printed:
        assert words in ended.stdout


def test_the_settings_of_the_page_are_settings() -> None:
    [fence] = [one for one in fences("toml") if one.page.name == PAGE]
    settings = Settings.model_validate(tomllib.loads(fence.text))
    # Every one there is.
    assert set(tomllib.loads(fence.text)["llm"]) == set(type(settings.llm).model_fields)
