"""The table of keys says what the providers themselves say."""

import asyncio
import subprocess
import sys

import pytest

from attractor.backends.provider_keys import KEYS, has_key, key_remedy
from attractor.base.errors import UnknownName
from attractor.llm.adapter import AdapterTimeout
from attractor.llm.client import provider_registry


@pytest.mark.parametrize(("provider", "variable"), [(p, v) for p, vs in KEYS.items() for v in vs])
def test_a_providers_own_word_is_the_tables(provider: str, variable: str) -> None:
    adapter = provider_registry()[provider].from_env({variable: "k"}, timeout=AdapterTimeout())
    assert adapter is not None
    asyncio.run(adapter.close())
    assert asyncio.run(has_key(provider, {variable: "k"}))
    assert variable in key_remedy(provider)
    assert provider_registry()[provider].from_env({}, timeout=AdapterTimeout()) is None
    assert not asyncio.run(has_key(provider, {}))


def test_a_provider_that_is_not_in_the_table_is_asked_itself() -> None:
    with pytest.raises(UnknownName):
        asyncio.run(has_key("nobody", {}))


def test_the_look_loads_no_provider() -> None:
    code = (
        "import asyncio, sys; from attractor.backends.model_faults import find_model_faults;"
        "from attractor.backends.model_choice import ModelDefaults;"
        "from attractor.language.graph import Node;"
        "told = asyncio.run(find_model_faults([Node('a')], ModelDefaults('gpt-5'), {}));"
        "assert len(told) == 1, told;"
        "loaded = {'httpx', 'attractor.llm.providers.openai'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")
