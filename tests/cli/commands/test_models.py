"""`attractor models` as text and as JSON, with a twin as the provider."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from attractor.backends.accounts import Accounts
from attractor.backends.limit_texts import Limit
from attractor.base.clock import SystemClock
from attractor.llm import get_model_info, list_models
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.cli.running import attractor
from tests.tables import table

READY = """
[[rules]]
answer = { text = "ready", usage = { input = 900, output = 100 } }
"""
REFUSED = """
[[rules]]
answer.fault = { kind = "status", status = 429 }
"""

SECRET = "sk-never-to-be-shown-0123456789"


def test_models_are_listed_with_windows_capabilities_and_prices() -> None:
    result = attractor("models", "--provider", "openai")
    assert (result.returncode, result.stderr) == (0, "")
    heading, *lines = result.stdout.splitlines()
    assert " ".join(heading.split()) == "model provider window output can $ in $ cached $ out"
    [row] = [line for line in lines if line.startswith("gpt-5.2 ")]
    message = "gpt-5.2 openai 272,000 128,000 tools vision reasoning 1.75 0.175 14"
    assert " ".join(row.split()) == message
    assert lines[-1].startswith("$: US dollars per million tokens")


def test_models_of_installed_providers_are_listed() -> None:
    listed = json.loads(attractor("models", "--json").stdout)
    assert {one["provider"] for one in listed} == {"anthropic", "gemini", "openai"}
    assert listed[0]["id"] == list_models("anthropic")[0].id
    assert "more providers: --provider PROVIDER" in attractor("models").stdout
    listed = json.loads(attractor("models", "--provider", "gemini", "--json").stdout)
    [model] = [one for one in listed if one["id"] == "gemini-3.1-pro-preview"]
    known = get_model_info("gemini-3.1-pro-preview")
    assert known
    assert model["context_window"] == known.context_window
    assert model["price_tiers"][0]["prices"]["input"] == known.price_tiers[0].prices.input
    assert model["aliases"] == list(known.aliases)
    result = attractor("models", "--provider", "antropic")
    assert (result.returncode, result.stdout) == (2, "")
    assert "did you mean anthropic?" in result.stderr


@table(
    ("asked", "model", "provider"),
    [("gpt-5.2", "gpt-5.2", "openai"), ("opus", "claude-opus-5-5", "anthropic")],
)
def test_a_model_is_tested_by_one_call(
    provider_twin: StartTwin, asked: str, model: str, provider: str
) -> None:
    twin = provider_twin(READY)
    result = attractor("models", "test", asked, variables=twin.environ())
    assert (result.returncode, result.stderr) == (0, "")
    answered, time, tokens, cost = result.stdout.splitlines()
    assert answered == f"{model} of {provider} answered: ready"
    assert time.endswith(" s")
    assert tokens == "tokens  900 in, 100 out"
    assert cost.startswith("cost    $0.00")
    [request] = twin.requests
    assert request.wire == provider


def test_unknown_model_is_tested(provider_twin: StartTwin) -> None:
    environ = provider_twin(READY).environ()
    words = ("models", "test", "my-own", "--provider", "openai")
    result = attractor(*words, variables=environ)
    assert result.returncode == 0
    assert "unknown model my-own: not in the catalogue, requested as written" in result.stderr
    assert result.stdout.endswith("cost    unknown\n")


def test_a_model_of_a_provider_that_litellm_serves_is_tested(provider_twin: StartTwin) -> None:
    twin = provider_twin(READY)
    key = {"DEEPSEEK_API_KEY": "k", "DEEPSEEK_API_BASE": twin.base_url("openai_chat")}
    words = ("models", "test", "deepseek-chat", "--provider", "deepseek")
    result = attractor(*words, variables={**twin.environ(), **key})
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("deepseek-chat of deepseek answered: ready\n")
    assert "cost    $0.00" in result.stdout


def test_failure_is_reported_without_a_retry(provider_twin: StartTwin) -> None:
    twin = provider_twin(REFUSED)
    result = attractor("models", "test", "gpt-5.2", variables=twin.environ())
    assert (result.returncode, result.stdout) == (3, "")
    assert "openai answered 429" in result.stderr
    assert len(twin.requests) == 1


@table(
    ("words", "message"),
    [
        (("test", "my-own"), "add --provider with one of: anthropic,"),
        (("test", "gpt-5.2", "--provider", "opnai"), "did you mean openai?"),
        (
            ("test", "x", "--provider", "groq"),
            "missing API key of provider 'groq' (set GROQ_API_KEY)",
        ),
        (("test", "gpt-5.2"), "missing API key of provider 'openai' (set OPENAI_API_KEY)"),
        (("--provider", "openai", "test", "gpt-5.2"), "models test MODEL --provider"),
        (("--mine", "--provider", "openai"), "--mine lists all providers"),
        (("tst", "gpt-5.2"), "test"),
    ],
)
def test_invalid_test_is_refused(words: tuple[str, ...], message: str) -> None:
    result = attractor("models", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def mine(variables: dict[str, str]) -> dict[str, Any]:
    """Return the ways to models of a machine, by provider or program."""
    done = attractor("models", "--mine", "--json", variables=variables)
    assert (done.returncode, done.stderr) == (0, "")
    return {one["name"]: one for one in json.loads(done.stdout)}


def machine(folder: Path, *programs: str) -> dict[str, str]:
    """Return the variables of a machine with programs, a home folder and a state folder."""
    for name in programs:
        file = folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    state = str(folder / "state")
    return {"PATH": str(folder / "bin"), "HOME": str(folder), "ATTRACTOR_STATE_DIR": state}


def test_each_way_to_a_model_has_its_users_and_the_line_that_uses_it(tmp_path: Path) -> None:
    bare = machine(tmp_path, "codex")
    assert "no way to a model" in attractor("models", "--mine", variables=bare).stdout
    keys = dict.fromkeys(
        ("OPENAI_API_KEY", "GROQ_API_KEY", "AZURE_API_KEY", "OPENAI_COMPATIBLE_BASE_URL"), SECRET
    )
    found = mine({**bare, **keys})
    assert SECRET not in str(found)
    assert {name: one["kind"] for name, one in found.items()} == {
        "openai": "key",
        "openai_compatible": "server",
        "azure": "cloud",
        "groq": "key",
    }
    assert (found["openai"]["users"], found["openai"]["absent"]) == (
        ["agent", "codex"],
        ["opencode"],
    )
    newest = list_models("openai")[0].id
    assert found["openai"]["step"] == f"attractor run PIPELINE.dot --model {newest}"
    assert found["openai_compatible"]["step"].endswith("--provider openai_compatible --model MODEL")
    assert found["groq"]["step"].endswith("--model groq/MODEL")
    assert (found["azure"]["fault"], found["azure"]["step"]) == (
        "missing AZURE_API_BASE of the provider 'azure'",
        "set AZURE_API_BASE",
    )
    assert not (tmp_path / "state").exists()


def test_a_login_says_whether_it_is_allowed_and_used(tmp_path: Path) -> None:
    environ = machine(tmp_path, "claude", "gemini")
    for name in (".claude/.credentials.json", ".gemini/oauth_creds.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    found = mine(environ)
    assert found["gemini"]["step"].endswith("--backend gemini --sandbox none")
    assert found["claude"]["fault"] == "not allowed in the sandbox"
    assert attractor(*found["claude"]["step"].split()[1:], variables=environ).returncode == 0
    allowed = mine(environ)["claude"]
    assert (allowed["users"], allowed["fault"]) == (["claude"], "")
    assert allowed["step"] == "attractor run PIPELINE.dot --backend claude"
    with_key = mine({**environ, "ANTHROPIC_API_KEY": "k"})["claude"]
    assert (with_key["users"], with_key["step"]) == ([], "unset ANTHROPIC_API_KEY")
    (tmp_path / ".claude/.credentials.json").write_text("no JSON")
    assert mine(environ)["claude"]["step"] == "log in: type /login in claude"


def test_the_last_answer_and_the_limit_of_an_account_are_shown(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    environ = {**provider_twin(READY).environ(), **machine(tmp_path)}
    attractor("models", "test", "gpt-5.2", variables=environ)
    found = mine(environ)
    trial = found["openai"]["trial"]
    assert (trial["model"], trial["fault"], found["gemini"]["trial"]) == ("gpt-5.2", "", None)
    assert found["openai"]["step"].endswith("--model gpt-5.2")
    # Another key is another account.
    assert mine({**environ, "OPENAI_API_KEY": "another"})["openai"]["trial"] is None
    refused = {**environ, **provider_twin(REFUSED).environ()}
    attractor("models", "test", "gpt-5.2", variables=refused)
    assert "openai answered 429" in mine(refused)["openai"]["trial"]["fault"]
    now = SystemClock().now()
    account = Accounts(tmp_path / "state", refused).of_provider("openai")
    account.record(Limit("weekly limit", now + timedelta(days=1)), is_probe=False)
    text = attractor("models", "--mine", variables=refused).stdout
    assert f"{now:%Y-%m-%d} gpt-5.2 failed: openai answered 429" in text
    assert "weekly limit; next try at" in text


def test_the_ways_are_listed_without_a_library_of_a_provider(tmp_path: Path) -> None:
    words = (
        "import sys\nfrom attractor.cli.main import main\nassert main(['models', '--mine']) == 0\n"
    )
    words += "assert 'litellm' not in sys.modules"
    environ = {**machine(tmp_path), "GROQ_API_KEY": "k"}
    done = subprocess.run([sys.executable, "-c", words], env=environ, check=False)
    assert done.returncode == 0


def test_missing_catalogue_fails_only_its_users(tmp_path: Path) -> None:
    (tmp_path / "litellm").mkdir()
    (tmp_path / "litellm" / "__init__.py").touch()
    (tmp_path / "pipeline.dot").write_text(
        "digraph p { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    )
    refused = attractor("models", copy=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "cannot read the table of models" in refused.stderr
    assert "install --force-reinstall litellm" in refused.stderr
    for words in (["--help"], ["validate", "pipeline.dot"]):
        assert attractor(*words, copy=tmp_path).returncode == 0
