"""Contract of adapters that serve providers without an adapter."""

import pytest

from attractor.base.registry import find_shortcoming
from attractor.llm import AdapterTimeout, ProviderAdapter
from attractor.llm.client import ServesOthers
from attractor.llm.providers.litellm import LiteLLMAdapter
from tests.llm.test_client import Agency

READY = {"litellm": "mistral", "agency": "xylo"}
Serving = LiteLLMAdapter | Agency


@pytest.fixture(params=READY)
def serving(request: pytest.FixtureRequest) -> Serving:
    if request.param == "litellm":
        return LiteLLMAdapter({"MISTRAL_API_KEY": "k"})
    return Agency("agency")


def test_part_serves_other_providers(serving: Serving) -> None:
    assert find_shortcoming(serving, ProviderAdapter) == ""
    assert find_shortcoming(serving, ServesOthers) == ""
    assert isinstance(serving, ServesOthers)
    assert issubclass(type(serving), ServesOthers)


def test_listed_providers_are_served_and_have_variables(serving: Serving) -> None:
    [name] = serving.list_served()
    assert name == READY[serving.name]
    assert serving.variables_of(name)
    served = serving.serve(name)
    assert served is not None
    assert find_shortcoming(served, ProviderAdapter) == ""
    assert name in served.name


@pytest.mark.parametrize("name", ["", "nobody", "größe 🐍"])
def test_unknown_provider_is_refused(serving: Serving, name: str) -> None:
    assert serving.serve(name) is None
    assert not serving.variables_of(name)


@pytest.mark.anyio
async def test_served_adapter_may_be_closed_twice(serving: Serving) -> None:
    served = serving.serve(READY[serving.name])
    assert served is not None
    for one in (served, served, serving, serving):
        await one.close()


def test_serving_adapter_needs_some_key(serving: Serving) -> None:
    assert type(serving).from_env({}, timeout=AdapterTimeout()) is None
