"""Stages with models of clouds and gateways, over each provider's own wire."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from attractor import RunResult
from attractor.engine.outcome import StageStatus
from attractor.llm import Usage, cost_of, get_model_info
from tests.llm.clouds import ANSWER, CLOUDS, PROMPT, Said, Standing, standing
from tests.spec.runs import between, environ_for, events, project_in, record, run
from tests.tables import table

# litellm suppresses this with a filter of its own, which each test removes again.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance")
ASK = between('ask [type=prompt, prompt="How many?"]', "start -> ask -> exit")
WORK = between('work [prompt="Change a.txt."]', "start -> work -> exit")
BOTH = between(
    'ask [type=prompt, prompt="How many?"]', 'work [prompt="Do"]', "start -> ask -> work -> exit"
)
PATCH = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+two\n*** End Patch"
EDITS = {
    "apply_patch": {"patch": PATCH},
    "edit_file": {"file_path": "a.txt", "old_string": "one", "new_string": "two"},
}
READ = Said(calls=[("read_file", {"file_path": "a.txt"})])
REPORT = Said(calls=[("report_outcome", {"outcome": "success"})])
# By wire: the reason of the end, before which no answer is whole.
STOPS = re.compile(rb'"stop"|end_turn|"STOP"|"done": true')
# By cloud: the tool that edits files, and another tool of the profile.
PROFILES = {
    "azure": ("apply_patch", "read_file"),
    "bedrock": ("edit_file", "glob"),
    "nova": ("edit_file", "list_dir"),
    "vertex_claude": ("edit_file", "glob"),
    "vertex_gemini": ("edit_file", "read_many_files"),
    "groq": ("apply_patch", "read_file"),
    "openrouter": ("edit_file", "read_many_files"),
    "ollama": ("edit_file", "list_dir"),
    "hosted_vllm": ("edit_file", "list_dir"),
}


def run_at(
    folder: Path, name: str, text: str, *answers: Said, model: str = ""
) -> tuple[RunResult, Standing]:
    """Run a pipeline with a model of a cloud, which gives these answers."""
    cloud = CLOUDS[name]
    with standing(cloud, *answers) as here:
        environ = {**environ_for(folder), **cloud.environ(here.address)}
        asked = model or cloud.model
        return run(folder, text, backend="agent", model=asked, environ=environ), here


@table("name", PROFILES)
def test_prompt_and_agent_stages_take_models_of_every_provider(tmp_path: Path, name: str) -> None:
    edit, another = PROFILES[name]
    file = project_in(tmp_path) / "a.txt"
    file.write_text("one\n")
    answers = (Said("Three."), READ, Said("Next.", [(edit, EDITS[edit])]), REPORT, Said("Done."))
    result, here = run_at(tmp_path, name, BOTH, *answers)
    assert result.outcome is StageStatus.SUCCESS, result.reason
    assert file.read_text() == "two\n"
    assert {edit, another} <= here.tools()
    assert not {*EDITS} - {edit} & here.tools()
    used = record(result, "final.json")["usage"]
    assert isinstance(used, dict)
    calls = len(here.requests)
    assert (used["input_tokens"], used["output_tokens"]) == (calls * PROMPT, calls * ANSWER)
    known = get_model_info(CLOUDS[name].model)
    price = cost_of(Usage(PROMPT, ANSWER), known) if known else None
    assert used["cost_usd"] == pytest.approx(calls * (price or 0))


@table(
    ("name", "model", "effort", "marks", "dropped"),
    [
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "low", 2, ""),
        ("openrouter", "openrouter/anthropic/claude-sonnet-4.5", "", 2, ""),
        ("groq", "groq/claude-x", "", 0, "litellm does not send cache marks to groq"),
        ("nova", "amazon.nova-pro-v1:0", "low", 0, "does not send reasoning_effort to bedrock"),
    ],
)
def test_dropped_setting_is_a_warning_of_the_stage(
    tmp_path: Path, name: str, model: str, effort: str, marks: int, dropped: str
) -> None:
    text = WORK.replace("prompt", f'reasoning_effort="{effort}", prompt') if effort else WORK
    result, here = run_at(tmp_path, name, text, REPORT, Said("Done."), model=model)
    assert result.outcome is StageStatus.SUCCESS, result.reason
    body = json.dumps(here.requests[-1][1])
    assert body.count("cachePoint") + body.count("cache_control") == marks
    words = [str(one.data["message"]) for one in events(result, "WARNING")]
    assert [one for one in words if "does not send" in one] == [
        one for one in words if dropped and dropped in one
    ]
    assert any(dropped in one for one in words) or not dropped


@table("name", PROFILES)
def test_refused_key_fails_the_stage_without_naming_the_key(tmp_path: Path, name: str) -> None:
    # The key of Vertex is no variable, and is not sent.
    key = "" if name.startswith("vertex") else "sk-of-the-cloud"
    result, here = run_at(tmp_path, name, ASK, Said(f"invalid key {key}", status=401))
    assert "AuthenticationError" in result.reason
    assert not key or key not in result.reason
    assert len(here.requests) == 1


@table("name", PROFILES)
def test_run_waits_for_the_limit_of_an_account(tmp_path: Path, name: str) -> None:
    limit = Said("rate limit exceeded", status=429)
    result, here = run_at(tmp_path, name, ASK, limit, Said("Three."))
    assert result.outcome is StageStatus.SUCCESS, result.reason
    assert len(here.requests) == 2


@table(
    ("first", "second", "fault", "words"),
    [
        ("groq", "azure", Said("rate limit exceeded", status=429), "RateLimitError"),
        ("azure", "openrouter", Said("overloaded", status=503), "ServerError"),
        ("openrouter", "groq", None, "NetworkError"),
        ("vertex_claude", "bedrock", Said("rate limit exceeded", status=429), "RateLimitError"),
        # Another key of the operator must not hide that this one is wrong.
        ("groq", "azure", Said("invalid key", status=401), ""),
    ],
)
def test_stage_falls_back_to_another_provider_and_says_so(
    tmp_path: Path, first: str, second: str, fault: Said | None, words: str
) -> None:
    model, other = CLOUDS[first].model, CLOUDS[second].model
    settings = f'[llm.fall_back]\n"{model}" = ["{other}"]\n'
    (project_in(tmp_path) / "attractor.toml").write_text(settings)
    with standing(CLOUDS[first], fault or Said()) as down:
        environ = {**environ_for(tmp_path), **CLOUDS[first].environ(down.address)}
        if not fault:
            environ = {**environ_for(tmp_path), **CLOUDS[first].environ("http://127.0.0.1:9")}
        with standing(CLOUDS[second], Said("Three.")) as up:
            environ |= CLOUDS[second].environ(up.address)
            result = run(tmp_path, ASK, backend="agent", model=model, environ=environ)
    said = [str(one.data["message"]) for one in events(result, "WARNING")]
    if not words:
        assert "AuthenticationError" in result.reason
        assert not up.requests
        return
    assert result.outcome is StageStatus.SUCCESS, result.reason
    assert len(up.requests) == 1
    assert len(down.requests) == bool(fault)
    [told] = [one for one in said if "answered because" in one]
    assert told.startswith(f"{other} answered because ")
    assert words in told
    used = record(result, "final.json")["usage"]
    known = get_model_info(other)
    price = cost_of(Usage(PROMPT, ANSWER), known) if known else None
    assert used["cost_usd"] == pytest.approx(price or 0)  # pyright: ignore


@table("part", [one / 10 for one in range(10)])
@table(
    "name", ["azure", "bedrock", "vertex_claude", "vertex_gemini", "groq", "openrouter", "ollama"]
)
def test_stream_that_is_cut_is_no_answer(tmp_path: Path, name: str, part: float) -> None:
    cut = Said("Three, I think.", part=part)
    result, here = run_at(tmp_path, name, ASK, cut, Said("Four."))
    assert result.outcome is StageStatus.SUCCESS, result.reason
    answered = (result.directory / "ask" / "response.md").read_text()
    whole = CLOUDS[name].write(cut)
    has_ended = STOPS.search(whole[: int(len(whole) * part)])
    assert answered == "Four." or (answered == "Three, I think." and has_ended)
    assert len(here.requests) == (2 if answered == "Four." else 1)
    assert bool(events(result, "WARNING")) or answered != "Four."


_COUNTED = """
import sys
import subprocess
import sys
from pathlib import Path
from tests.llm.clouds import CLOUDS, Said, standing
from tests.spec.runs import between, environ_for, events, run
nodes = [f'{name} [type=prompt, prompt="Hi"]' for name in "ab"]
text = between(*nodes, "start -> a -> b -> exit")
cloud, folder = CLOUDS["groq"], Path(sys.argv[1])
model, base = sys.argv[2:]
with standing(cloud, Said("Three.")) as here:
    environ = {**environ_for(folder), **cloud.environ(here.address)}
    environ["OPENAI_COMPATIBLE_BASE_URL"] = here.address
    result = run(folder, text, backend="agent", model=model, provider=base, environ=environ)
    assert result.completed == ("start", "a", "b"), result.reason
loaded = [one.data for one in events(result, "BootStep") if one.data["step"] == "library"]
print("litellm" in sys.modules, len(loaded))
"""


@table(
    ("model", "provider", "counted"),
    [
        ("qwen3-coder", "openai_compatible", "False 0"),
        ("groq/openai/gpt-oss-120b", "", "True 1"),
    ],
)
def test_litellm_is_loaded_once_by_runs_that_need_it_and_by_no_others(
    tmp_path: Path, model: str, provider: str, counted: str
) -> None:
    words = [sys.executable, "-c", _COUNTED, str(tmp_path), model, provider]
    ended = subprocess.run(words, capture_output=True, text=True)
    assert ended.stdout.strip() == counted, ended.stderr
