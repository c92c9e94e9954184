"""The programs that the documentation shows run as they stand, with a twin for the providers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import ROOT, Fence, fences
from tests.llm.asking import speaking

SCRIPT = """
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
PROGRAMS = [one for one in fences("python") if one.page.name == "ask-models-from-a-program.md"]
PRINTED = [
    "Hello to you.\n11 stop\n",
    "Old silent code waiting for tests\n11\n",
    "thinking: Hm.\nOld silent code waiting for tests\nstop: 4 tokens\n",
    "Hello to you.\n",
    "Sunny in San Francisco and New York.",
    "{'name': 'Alice', 'age': 30}\n",
    "so far: 5\n{'recipes': ['soup', 'salad', 'bread', 'cake', 'tea']}\n",
    "Hello to you.\n",
    "Hello to you.\nOld silent code waiting for tests\n2 calls\n",
]


@pytest.mark.parametrize(("fence", "printed"), list(zip(PROGRAMS, PRINTED, strict=True)))
def test_a_program_of_the_documentation_runs(fence: Fence, printed: str, tmp_path: Path) -> None:
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
    assert printed in ended.stdout
