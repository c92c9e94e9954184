"""The table of keys says what the providers themselves say."""

import asyncio
import subprocess
import sys

import pytest

from attractor.backends.provider_keys import KEYS, has_key, is_provider, key_remedy
from attractor.base.errors import UnknownName
from attractor.llm.client import AdapterTimeout, provider_registry

# Fit to be a key, and to be an address.
SET = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(("provider", "variable"), [(p, v) for p, vs in KEYS.items() for v in vs])
def test_a_providers_own_word_is_the_tables(provider: str, variable: str) -> None:
    adapter = provider_registry()[provider].from_env({variable: SET}, timeout=AdapterTimeout())
    assert adapter is not None
    asyncio.run(adapter.close())
    assert asyncio.run(has_key(provider, {variable: SET}))
    assert variable in key_remedy(provider)
    assert provider_registry()[provider].from_env({}, timeout=AdapterTimeout()) is None
    assert not asyncio.run(has_key(provider, {}))


def test_a_provider_that_is_not_in_the_table_is_asked_itself() -> None:
    with pytest.raises(UnknownName):
        asyncio.run(has_key("nobody", {}))
    assert not asyncio.run(has_key("litellm", {}))
    assert asyncio.run(has_key("litellm", {"GROQ_API_KEY": "k"}))


@pytest.mark.parametrize(
    ("provider", "environ", "remedy"),
    [
        ("groq", {"GROQ_API_KEY": "k"}, "set GROQ_API_KEY"),
        ("ollama", {"OLLAMA_API_BASE": SET}, "set OLLAMA_API_BASE"),
        ("deepinfra", {"DEEPINFRA_API_KEY": "k"}, "set DEEPINFRA_API_KEY or DEEPINFRA_API_BASE"),
        (
            "azure",
            {"AZURE_API_KEY": "k", "AZURE_API_BASE": SET},
            "set AZURE_API_KEY and AZURE_API_BASE or AZURE_AD_TOKEN and AZURE_API_BASE",
        ),
    ],
)
def test_a_provider_that_another_serves_has_a_key_too(
    provider: str, environ: dict[str, str], remedy: str
) -> None:
    assert is_provider(provider)
    assert key_remedy(provider) == remedy
    assert asyncio.run(has_key(provider, environ))
    assert not asyncio.run(has_key(provider, {}))
    assert not asyncio.run(has_key(provider, {"MISTRAL_API_KEY": "k"}))


def test_whose_name_nobody_knows_is_no_provider() -> None:
    assert is_provider("openai")
    assert is_provider("litellm")
    assert not is_provider("nobody")
    assert not is_provider("")


def test_the_look_loads_no_provider() -> None:
    code = (
        "import asyncio, sys; from attractor.backends.model_faults import find_model_faults;"
        "from attractor.backends.model_choice import ModelDefaults;"
        "from attractor.language.graph.graph import Node;"
        "told = asyncio.run(find_model_faults([Node('a')], ModelDefaults('gpt-5'), {}));"
        "assert len(told) == 1, told;"
        "loaded = {'httpx', 'attractor.llm.providers.openai'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")
