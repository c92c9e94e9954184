"""Providers that litellm can call with the variables of the environment."""

from pathlib import Path

import pytest

from attractor.llm.errors import ConfigurationError
from attractor.llm.providers import litellm_providers
from attractor.llm.providers.litellm_providers import find_configured, find_variables, well_known


def test_provider_with_all_variables_is_configured() -> None:
    for environ, ready in (
        ({}, []),
        ({"GROQ_API_KEY": "k"}, ["groq"]),
        ({"GROQ_API_KEY": " "}, []),
        ({"OLLAMA_API_BASE": "http://127.0.0.1:11434"}, ["ollama"]),
        ({"AZURE_API_KEY": "k"}, []),
        ({"AZURE_API_KEY": "k", "AZURE_API_BASE": "https://x"}, ["azure"]),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, ["bedrock"]),
        ({"DEEPINFRA_API_KEY": "k", "NOVITA_API_BASE": "b"}, ["deepinfra", "novita"]),
        ({"SCX_AI_API_KEY": "k"}, ["scx-ai"]),
        ({"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k", "OPENAI_API_KEY": "k"}, []),
        ({"SOME_OTHER_API_KEY": "k"}, []),
    ):
        assert find_configured(environ) == ready


def test_variables_become_parameters() -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "an-id",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    needs = find_variables("bedrock")
    assert needs is not None
    access = needs.read(environ)
    assert access.parameters == {
        "aws_access_key_id": "an-id",
        "aws_secret_access_key": "a-secret",
        "aws_region_name": "eu-west-1",
    }
    assert sorted(access.secrets) == ["a-secret", "an-id"]
    assert "a-secret" not in repr(access)


def test_unlisted_provider_follows_the_convention() -> None:
    needs = find_variables("deepinfra")
    assert needs is not None
    assert needs.route == "deepinfra"
    environ = {"DEEPINFRA_API_KEY": "k", "DEEPINFRA_API_BASE": "b"}
    assert needs.read(environ).parameters == {"api_key": "k", "api_base": "b"}
    assert find_variables("nobody") is None


def test_every_provider_of_the_table_names_its_variables() -> None:
    for name, needs in well_known().items():
        for names in needs.alternatives:
            environ = dict.fromkeys(names, "set")
            assert needs.are_met(environ), name
            assert needs.read(environ).parameters, name
        assert not needs.are_met({})


def test_without_the_table_the_well_known_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise ConfigurationError("there is no table of models")

    monkeypatch.setattr(litellm_providers, "find_table", missing)
    litellm_providers._table_providers.cache_clear()  # pyright: ignore[reportPrivateUsage]
    try:
        environ = {"GROQ_API_KEY": "k", "DEEPINFRA_API_KEY": "k"}
        assert find_configured(environ) == ["groq"]
        assert find_variables("deepinfra") is None
    finally:
        litellm_providers._table_providers.cache_clear()  # pyright: ignore[reportPrivateUsage]
