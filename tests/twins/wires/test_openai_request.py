""""""

from typing import Any

import pytest

from attractor.twins.wires.openai_request import CHAT_FIELDS, OPENAI_CHAT_FIELDS, RESPONSE_FIELDS
from tests.twins.exchanging import HELLO, answer, refusal


@pytest.mark.parametrize("wire", ["openai", "openai_chat"])
@pytest.mark.parametrize("name", ["temprature", "mesages", "größe"])
def test_a_field_nobody_knows_is_refused_by_its_name(wire: str, name: str) -> None:
    status, error = refusal(wire, {**HELLO[wire], name: None})
    assert (status, error["message"]) == (400, f"Unknown parameter: '{name}'.")
    assert (error["code"], error["param"]) == ("unknown_parameter", name)
    assert error["type"] == "invalid_request_error"


def test_what_is_known_and_means_nothing_to_a_twin_is_taken() -> None:
    more: Any = {"truncation": "auto", "prompt_cache_retention": "24h", "service_tier": "flex"}
    assert answer("openai", HELLO["openai"] | more)["status"] == "completed"
    more = {"seed": 1, "verbosity": "low", "prediction": None}
    assert answer("openai_chat", HELLO["openai_chat"] | more)["object"] == "chat.completion"


def test_each_wire_has_fields_of_its_own() -> None:
    assert refusal("openai", HELLO["openai"] | {"messages": []})[1]["param"] == "messages"
    assert refusal("openai_chat", HELLO["openai_chat"] | {"input": ""})[1]["param"] == "input"


def test_chat_completions_take_what_other_servers_take() -> None:
    more: Any = {"top_k": 1, "chat_template_kwargs": {"enable_thinking": False}}
    assert answer("openai_chat", HELLO["openai_chat"] | more)["object"] == "chat.completion"
    assert OPENAI_CHAT_FIELDS < CHAT_FIELDS
    assert "top_k" not in OPENAI_CHAT_FIELDS | RESPONSE_FIELDS
