from pathlib import Path

import httpx
import pytest

from attractor.base.errors import ExitCode
from attractor.twins.errors import ScriptError
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.script import load_script
from tests.examples import fences
from tests.twins.exchanging import HELLO, KEYS, PATHS
from tests.twins.streaming import opened

COUNTS = """
from dataclasses import dataclass

from attractor.twins.answer import Answer


@dataclass
class Said:
    text: "str"


rules = [{"name": "bye", "when": {"first_user": "bye"}, "answer": {"text": "Bye."}}]
seed = 3


def answer(conversation, attempt):
    if "hello" not in conversation.first_user:
        return None
    return Answer(text=f"{Said('Hi').text} {attempt} from {conversation.model}")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


def ask(url: str, wire: str = "openai", **more: object) -> httpx.Response:
    return httpx.post(url + PATHS[wire], json=HELLO[wire] | more, headers=KEYS[wire])


def test_a_function_answers_where_no_rule_does(file: Path, provider_twin: StartTwin) -> None:
    file.write_text(COUNTS)
    twin = provider_twin(file)
    told = [ask(twin.url).text, ask(twin.url).text, ask(twin.url, input="bye").text]
    for text, words in zip(told, ["Hi 1 from gpt-5", "Hi 2 from gpt-5", "Bye."], strict=True):
        assert words in text
    refused = ask(twin.url, input="what?")
    assert refused.status_code == 400
    assert "the nearest is 'bye'" in refused.json()["error"]["message"]
    names = [one.rule for one in twin.requests]
    assert names == ["answer of script.py", "answer of script.py", "bye", ""]
    assert load_script(file).seed == 3


def test_it_is_run_once(file: Path, tmp_path: Path, provider_twin: StartTwin) -> None:
    note = tmp_path / "runs"
    file.write_text(
        f"with open({str(note)!r}, 'a') as file: file.write('x')\n"
        "def answer(conversation, attempt): return {}"
    )
    twin = provider_twin(file)
    assert [ask(twin.url).status_code for _ in range(3)] == [200] * 3
    assert note.read_text() == "x"
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("wire", list(KEYS))
def test_a_script_that_raises_is_an_error_of_the_provider(
    wire: str, file: Path, provider_twin: StartTwin
) -> None:
    file.write_text("def answer(conversation, attempt):\n    return {}['gone']\n")
    twin = provider_twin(file)
    answer = ask(twin.url, wire)
    with opened(twin, wire) as streamed:
        assert streamed.status_code == 500
    told = f"{file}:2: KeyError: 'gone'"
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, told)
    assert [one.error for one in twin.requests] == [told, told]
    assert twin.requests[0].rule == "answer of script.py"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "raise KeyboardInterrupt"])
def test_a_script_that_would_end_the_twin_is_an_error_of_it(
    code: str, file: Path, provider_twin: StartTwin
) -> None:
    file.write_text(f"def answer(conversation, attempt):\n    {code}\n")
    answer = ask(provider_twin(file).url)
    assert answer.status_code == 500
    assert f"{file}:2: " in answer.json()["error"]["message"]


def test_what_is_no_answer_is_an_error_too(file: Path, provider_twin: StartTwin) -> None:
    file.write_text("def answer(conversation, attempt): return {'txt': 'a'}")
    answer = ask(provider_twin(file).url)
    assert answer.status_code == 500
    assert "what answer returned: txt: there is no such key, did you mean" in answer.text
    assert "did you mean 'text'?" in answer.text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def answer(:", r"script\.py:1: SyntaxError"),
        ("\nimport nowhere_to_be_found", r"script\.py:2: ModuleNotFoundError"),
        ("def f():\n    1 / 0\nf()", r"script\.py:2: ZeroDivisionError"),
        ("raise SystemExit(3)", r"script\.py:1: SystemExit: 3"),
        ("x = 1", r"has neither a list `rules` nor a function `answer`"),
        ("answer = 5", r"`answer` is no function"),
        ("async def answer(a, b): ...", r"`answer` is async"),
        ("def answer(conversation): ...", r"`answer` does not take def answer\(conversation, at"),
        ("rules = [{}]", r"script\.py: rules\[0\]: it needs 'answer'"),
        ("rules = []\nseed = 'x'", r"script\.py: .*valid integer"),
    ],
)
def test_what_is_no_script_is_told_at_the_start(file: Path, code: str, told: str) -> None:
    file.write_text(code)
    with pytest.raises(ScriptError, match=told) as caught:
        load_script(file)
    assert caught.value.exit_code is ExitCode.USAGE


def test_scripts_of_both_kinds_are_tried_in_order(
    file: Path, tmp_path: Path, provider_twin: StartTwin
) -> None:
    file.write_text(COUNTS)
    table = tmp_path / "script.toml"
    table.write_text('rules = [{ name = "rest", answer = { text = "rest" } }]')
    twin = provider_twin([load_script(file), load_script(table)])
    for words in ("hello", "bye", "else"):
        ask(twin.url, input=words)
    assert [one.rule for one in twin.requests] == ["answer of script.py", "bye", "rest"]


def test_the_script_in_the_documentation_answers(file: Path, provider_twin: StartTwin) -> None:
    pages = [one for one in fences("python") if one.page.name == "twin-scripts.md"]
    (text,) = [one.text for one in pages if "def answer(" in one.text]
    file.write_text(text)
    url = provider_twin(file).url
    assert "HELLO" in ask(url).text
    assert "Hello." in ask(url, input="Say hello").text
    assert ask(url, model="gpt-4").status_code == 400
