""""""

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from attractor.base.errors import ExitCode, FileError
from attractor.twins.errors import NoMatchingRule, Rejection, ScriptError
from attractor.twins.exchange.answer import Answer, Fault, FaultKind, is_drawn
from attractor.twins.exchange.wire import Conversation, Speaker, Turn
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.script.script import (
    ChosenAnswer,
    Script,
    When,
    choose,
    load_script,
    parse_script,
    rule_entries,
    warn_of_answer,
)
from attractor.twins.server.provider_state import TwinMemory
from tests.examples import fences
from tests.tables import table
from tests.twins.exchanging import HELLO as SCRIPTED_HELLO, KEYS, PATHS
from tests.twins.streaming import opened

SCRIPT = """
[[rules]]
name = "plan"
when = { first_user = "Plan", step = 0 }
answer.text = "first"

[[rules]]
name = "plan further"
when = { first_user = "Plan", step = 1 }
answer.text = "second"

[[rules]]
name = "build"
when = { first_user = { regex = "^Build\\\\b" }, model = "claude-*", wire = "anthropic" }
answer.text = "built"

[[rules]]
when = { tool_result = "FAILED" }
answer.text = "repair"
"""


def talk(*said: str, model: str = "gpt-5", wire: str = "openai", system: str = "") -> Conversation:
    """Make a conversation of user and model in turns; `>` marks the result of a tool."""
    turns = [
        Turn(Speaker.TOOL, text[1:])
        if text.startswith(">")
        else Turn((Speaker.USER, Speaker.ASSISTANT)[number % 2], text)
        for number, text in enumerate(said)
    ]
    return Conversation(wire, model, system, turns)


def answered(conversation: Conversation, script: str = SCRIPT, attempt: int = 1) -> str:
    return chosen(parse_script(script), conversation, attempt).answer.text


def chosen(script: Script, conversation: Conversation, attempt: int = 1) -> ChosenAnswer:
    return choose(rule_entries([script]), conversation, attempt=attempt)


def test_first_user_and_step_select_the_rule() -> None:
    assert answered(talk("Plan it")) == "first"
    assert answered(talk("Plan it", "ok", "go on")) == "second"


def test_every_condition_must_match() -> None:
    assert answered(talk("Build it", model="claude-x", wire="anthropic")) == "built"
    for model, wire, words in (
        ("gpt-5", "anthropic", "Build it"),
        ("claude-x", "openai", "Build it"),
        ("claude-x", "anthropic", "Rebuild it"),
    ):
        with pytest.raises(Rejection):
            answered(talk(words, model=model, wire=wire))


def test_tool_result_selects_the_rule() -> None:
    assert answered(talk("Test it", "run()", ">2 FAILED")) == "repair"
    with pytest.raises(Rejection):
        answered(talk("Test it", "run()", ">2 FAILED", "fix()", ">2 passed"))


@table(
    "when",
    ['system = "brief"', 'last_user = "now"', 'words = "brief"', 'words = "ok"', "attempt = 1", ""],
)
def test_each_condition_matches(when: str) -> None:
    script = f'[[rules]]\nwhen = {{ {when} }}\nanswer.text = "yes"'
    assert answered(talk("Plan", "ok", "now", system="Be brief."), script) == "yes"


def test_attempt_condition_ends_a_fault_on_retry() -> None:
    script = """
    [[rules]]
    when = { attempt = 1 }
    answer.text = "trouble"
    [[rules]]
    answer.text = "answer"
    """
    assert [answered(talk("x"), script, attempt) for attempt in (1, 2, 3)] == [
        "trouble",
        "answer",
        "answer",
    ]


def test_rule_with_first_answers_only_the_first_requests() -> None:
    script = """
    [[rules]]
    name = "busy"
    first = 2
    answer.text = "trouble"
    [[rules]]
    when = { step = 0 }
    answer.text = "answer"
    """
    entries = rule_entries([parse_script(script)])
    memory = TwinMemory()

    def ask(*said: str) -> str:
        choice = choose(entries, talk(*said), uses=memory.uses)
        memory.use(choice.entry.number)
        return choice.answer.text

    assert [ask(one) for one in ("a", "b", "c", "a")] == ["trouble"] * 2 + ["answer"] * 2
    with pytest.raises(Rejection, match="nearest is 'busy', but the first 2 were answered"):
        ask("a", "b", "c")
    memory.clear_uses()
    assert ask("c") == "trouble"
    with pytest.raises(ScriptError, match="first"):
        parse_script("rules = [{ first = 0, answer = {} }]")


def test_missing_report_of_a_stage_is_named() -> None:
    script = "rules = [{ when = { step = 0 }, answer = {} }]"
    stage = replace(talk("Plan", "Done.", "Report!"), tools=["shell", "report_outcome"])
    with pytest.raises(Rejection, match=r"no answer has called report_outcome, which .* add tool_"):
        answered(stage, script)
    reported = replace(stage, turns=talk("Plan", "report_outcome({})", ">Recorded.").turns)
    for other in (replace(stage, tools=["shell"]), reported):
        with pytest.raises(Rejection) as caught:
            answered(other, script)
        assert "report_outcome" not in caught.value.message
    text = Answer(text="Done.")
    assert warn_of_answer(text, stage) == (
        "the answer ends a stage that offers report_outcome without calling it"
    )
    assert warn_of_answer(text, reported) == warn_of_answer(text, talk("Plan")) == ""


def test_unmatched_request_names_the_nearest_rule() -> None:
    with pytest.raises(Rejection) as caught:
        answered(talk("Plan it", "a", "b", "c", "d"))
    assert caught.value.status == 400
    assert caught.value.message == (
        "no rule of the script matches step 2 of 'Plan it' (model gpt-5, wire openai); "
        "the nearest is 'plan', but step is 2, not 0"
    )


def test_nearest_rule_prefers_first_user_to_step() -> None:
    script = """
    [[rules]]
    when = { first_user = "Other", step = 1 }
    answer.text = "a"
    [[rules]]
    name = "mine"
    when = { first_user = "Plan", step = 0 }
    answer.text = "b"
    """
    with pytest.raises(Rejection, match="nearest is 'mine', but step is 1, not 0"):
        answered(talk("Plan it", "ok", "go"), script)


def test_models_of_a_wire_are_the_exact_names_in_its_rules() -> None:
    whens = ('model = "a"', 'model = "b-[0-9]"', 'model = "c", wire = "gemini"', 'model = "a"', "")
    rules = [f"{{ when = {{ {one} }}, answer = {{}} }}" for one in whens]
    script = parse_script(f"rules = [{', '.join(rules)}]")
    assert [script.models_of(wire) for wire in ("gemini", "openai")] == [["a", "c"], ["a"]]


def test_unnamed_rule_is_named_by_its_position() -> None:
    names = [rule.name for rule in parse_script(SCRIPT).rules]
    assert names == ["plan", "plan further", "build", "rule 4"]


def test_long_text_is_shortened_to_one_line() -> None:
    with pytest.raises(Rejection) as caught:
        answered(talk("x\n" * 5000), "rules = []")
    assert len(caught.value.message) < 200
    assert "\n" not in caught.value.message


def test_invalid_scripts_are_reported_with_their_place() -> None:
    for text, fault in (
        ("rules = [", "the script:1:10: invalid TOML: Invalid value"),
        ("rules = []\nseed = 1 2\n", "the script:2:10: invalid TOML: Expected newline"),
        ('rules = []\nseed = "a', "the script:2:10: invalid TOML: Unterminated string"),
        ("seed = 1\nseed = 2", "the script:2:9: duplicate key or table"),
        (f"rules = {'[' * 9999}", "the script: values are nested too deeply"),
        (
            'rules = [{ when = { wire = "opnai" }, answer = {} }]',
            r"the script:1: rules\[0\]\.when\.wire = 'opnai': unknown wire 'opnai', did you mean",
        ),
        (
            "[[rules]]\nwhen.first_user = 5\nanswer = {}",
            r"^the script:2: rules\[0\]\.when\.first_user = 5 should be a valid string or a "
            "table$",
        ),
        (
            'rules = [{ when.words = { regx = "a" }, answer = {} }]',
            r"^the script:1: unknown key rules\[0\]\.when\.words\.regx$",
        ),
        (
            "[[rules]]\n[rules.answer]\nusage = { input = 5, cache_read = 10 }",
            r"^the script:3: rules\[0\]\.answer\.usage: input must be at least 10, "
            "because input includes cache_read and cache_write$",
        ),
        (
            "rules = [{ answer = { usage = { output = 5, reasoning = 6 } } }]",
            "output must be at least 6, because output includes reasoning",
        ),
        ("", "rules is missing"),
        ("rules = 1", "rules = 1 should be a list"),
        ("rule = []", "the script:1: unknown key rule$"),
        ("rules = [{}]", r"the script:1: rules\[0\]\.answer is missing"),
        (
            'rules = [{ answer = { text = "a", tool_call = [] } }]',
            r"unknown key rules\[0\]\.answer\.tool_call$",
        ),
        (
            "rules = [{ when = { stp = 1 }, answer = {} }]",
            r"unknown key rules\[0\]\.when\.stp$",
        ),
        (
            'rules = [{ when = { words = { regex = "(" } }, answer = {} }]',
            r"rules\[0\]\.when\.words.*invalid regular expression",
        ),
        (
            'rules = [{ when = { words = { regex = "(?!a)" } }, answer = {} }]',
            r"rules\[0\]\.when\.words.*without look-around and back references",
        ),
        (
            'rules = [{ answer = { delay = "2" } }]',
            r"rules\[0\]\.answer\.delay = '2': .*has no unit",
        ),
    ):
        with pytest.raises(ScriptError, match=fault) as caught:
            parse_script(text)
        assert caught.value.exit_code is ExitCode.USAGE
        assert caught.value.hint


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script.toml"
    file.write_text(SCRIPT)
    assert load_script(file).rules == parse_script(SCRIPT).rules
    assert load_script(file).source == str(file)
    file.write_bytes(b"\xff")
    with pytest.raises(ScriptError, match="is not UTF-8"):
        load_script(file)
    with pytest.raises(FileError, match="cannot read"):
        load_script(tmp_path / "nowhere.toml")


def test_documented_toml_script_is_valid() -> None:
    page, *others = [one for one in fences("toml") if one.page.name == "twin-scripts.md"]
    script = parse_script(page.text)
    assert all(parse_script(one.text).rules for one in others)
    assert chosen(script, talk("Plan the change")).entry.name == "plan: look first"
    repaired = chosen(script, talk("Make the change", "write", ">ok", "run", ">SyntaxError"))
    assert repaired.entry.name == "make: repair"


def test_every_fault_is_documented_with_its_keys() -> None:
    page = next(one.page for one in fences("toml") if one.page.name == "twin-scripts.md")
    section = page.read_text("utf-8").split("| `fault.kind` |")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", section, re.M))
    assert set(rows) == set(FaultKind)
    for kind, row in rows.items():
        taken = [name for name in Fault.model_fields if _takes(kind, name)]
        assert [f"`{name}`" for name in taken if f"`{name}`" not in row] == []


def _takes(kind: str, name: str) -> bool:
    value = {"status": 500, "message": "", "body": "", "after": 1, "size": 1}.get(name, "1s")
    try:
        Fault.model_validate({"kind": kind, name: value} if name != "kind" else {})
    except ValidationError:
        return False
    return True


@table(("table", "kind"), [("when", When), ("answer", Answer)])
def test_every_key_is_documented(table: str, kind: type[When | Answer]) -> None:
    page = next(one.page for one in fences("toml") if one.page.name == "twin-scripts.md")
    section = page.read_text("utf-8").split(f"## `{table}`")[1]
    keys = re.split(r"\n## |\n\n`usage.input`", section)[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", keys, re.M))
    assert documented == set(kind.model_fields)


COUNTS = """
from dataclasses import dataclass

from attractor.twins.exchange.answer import Answer


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
    return httpx.post(url + PATHS[wire], json=SCRIPTED_HELLO[wire] | more, headers=KEYS[wire])


def test_function_answers_when_no_rule_matches(file: Path, provider_twin: StartTwin) -> None:
    file.write_text(COUNTS)
    twin = provider_twin(file)
    found = [ask(twin.url).text, ask(twin.url).text, ask(twin.url, input="bye").text]
    for text, words in zip(found, ["Hi 1 from gpt-5", "Hi 2 from gpt-5", "Bye."], strict=True):
        assert words in text
    refused = ask(twin.url, input="what?")
    assert refused.status_code == 400
    assert "the nearest is 'bye'" in refused.json()["error"]["message"]
    names = [one.rule for one in twin.requests]
    assert names == ["answer of script.py", "answer of script.py", "bye", ""]
    assert load_script(file).seed == 3


def test_python_script_runs_once(file: Path, tmp_path: Path, provider_twin: StartTwin) -> None:
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
def test_exception_in_a_script_is_a_server_error(
    wire: str, file: Path, provider_twin: StartTwin
) -> None:
    file.write_text("def answer(conversation, attempt):\n    return {}['gone']\n")
    twin = provider_twin(file)
    answer = ask(twin.url, wire)
    with opened(twin, wire) as streamed:
        assert streamed.status_code == 500
    message = f"{file}:2: KeyError: 'gone'"
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, message)
    assert [one.error for one in twin.requests] == [message, message]
    assert twin.requests[0].rule == "answer of script.py"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "raise KeyboardInterrupt"])
def test_exit_in_a_script_does_not_end_the_twin(
    code: str, file: Path, provider_twin: StartTwin
) -> None:
    file.write_text(f"def answer(conversation, attempt):\n    {code}\n")
    answer = ask(provider_twin(file).url)
    assert answer.status_code == 500
    assert f"{file}:2: " in answer.json()["error"]["message"]


def test_invalid_answers_of_a_function_are_errors(file: Path, provider_twin: StartTwin) -> None:
    file.write_text("def answer(conversation, attempt): return {'txt': 'a'}")
    answer = ask(provider_twin(file).url)
    assert answer.status_code == 500
    assert "the result of answer: unknown key txt (did you mean text?)" in answer.text


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def answer(:", r"script\.py:1: SyntaxError"),
        ("\nimport nowhere_to_be_found", r"script\.py:2: ModuleNotFoundError"),
        ("def f():\n    1 / 0\nf()", r"script\.py:2: ZeroDivisionError"),
        ("raise SystemExit(3)", r"script\.py:1: SystemExit: 3"),
        ("x = 1", r"must define a list `rules` or a function `answer`"),
        ("answer = 5", r"`answer` is not a function"),
        ("async def answer(a, b): ...", r"`answer` must not be async"),
        ("def answer(conversation): ...", r"`answer` must be def answer\(conversation, at"),
        ("rules = [{}]", r"script\.py: rules\[0\]\.answer is missing"),
        ("rules = []\nseed = 'x'", r"script\.py: .*valid integer"),
    ],
)
def test_invalid_python_scripts_are_rejected_at_the_start(
    file: Path, code: str, message: str
) -> None:
    file.write_text(code)
    with pytest.raises(ScriptError, match=message) as caught:
        load_script(file)
    assert caught.value.exit_code is ExitCode.USAGE


def test_documented_python_script_answers(file: Path, provider_twin: StartTwin) -> None:
    pages = [one for one in fences("python") if one.page.name == "twin-scripts.md"]
    (text,) = [one.text for one in pages if "def answer(" in one.text]
    file.write_text(text)
    url = provider_twin(file).url
    assert "HELLO" in ask(url).text
    assert "Hello." in ask(url, input="Say hello").text
    assert ask(url, model="gpt-4").status_code == 400


HELLO = Conversation("openai", "gpt-5", "", [Turn(Speaker.USER, "hello")])
FAULTY = """
seed = 5
rules = [{ answer = { text = "a", fault = { kind = "cut", probability = 0.5 } } }]
"""


def test_scripts_are_tried_in_their_order_each_with_its_function(tmp_path: Path) -> None:
    program = tmp_path / "own.py"
    program.write_text(
        "rules = [{'when': {'first_user': 'bye'}, 'answer': {}}]\n"
        "def answer(conversation, attempt):\n"
        "    return {'text': 'made'} if attempt == 2 else None\n"
    )
    scripts = [load_script(program), parse_script('rules = [{ answer = { text = "last" } }]')]
    entries = rule_entries(scripts)
    assert [(one.number, one.name) for one in entries] == [
        (1, "rule 1"),
        (2, "answer of own.py"),
        (3, "rule 1"),
    ]
    chosen = [choose(entries, HELLO, attempt=one) for one in (1, 2)]
    assert [(one.entry.number, one.answer.text) for one in chosen] == [(3, "last"), (2, "made")]
    with pytest.raises(
        NoMatchingRule, match=r"nearest is 'rule 1'.*; answer of own\.py returned no answer"
    ):
        choose(rule_entries(scripts[:1]), HELLO)


def test_fault_that_does_not_apply_leaves_the_answer() -> None:
    choice = choose(rule_entries([parse_script(FAULTY)]), HELLO)
    struck = [bool(choice.with_drawn_fault(use).fault) for use in range(1, 40)]
    assert len(set(struck)) == 2
    assert {choice.with_drawn_fault(use).text for use in range(1, 40)} == {"a"}
    other = choose(rule_entries([parse_script(FAULTY.replace("5\n", "6\n", 1))]), HELLO)
    assert [bool(other.with_drawn_fault(use).fault) for use in range(1, 40)] != struck


def with_drawn_fault(
    probability: float, seed: int = 1, rule: str = "r", uses: int = 2000
) -> list[bool]:
    return [is_drawn(probability, seed, rule, use) for use in range(1, uses + 1)]


def test_another_seed_rule_or_use_is_another_draw() -> None:
    assert with_drawn_fault(0.3) != with_drawn_fault(0.3, seed=2)
    assert with_drawn_fault(0.3) != with_drawn_fault(0.3, rule="s")
    assert len(set(with_drawn_fault(0.3))) == 2


def test_fault_is_drawn_about_as_often_as_declared() -> None:
    assert 0.27 < sum(with_drawn_fault(0.3)) / 2000 < 0.33
    assert all(with_drawn_fault(1.0))
    assert not any(with_drawn_fault(0.0))


def test_random_draws_are_the_same_in_every_version() -> None:
    assert [use for use in range(1, 11) if is_drawn(0.5, 7, "rule 1", use)] == [7, 8]
