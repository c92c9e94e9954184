from typing import Any

import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    ConfigurationError,
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Request,
    ResponseFormat,
    Role,
    ThinkingData,
    ToolCallData,
    ToolChoice,
)
from attractor.llm.providers.anthropic_request import (
    AnthropicRequest,
    Thinking,
    model_version,
    write_request,
    write_sampling,
    write_thinking,
)
from tests.llm.asking import SHELL
from tests.tables import table


def written(*messages: Message, options: JsonObject | None = None, **more: Any) -> AnthropicRequest:
    plain: JsonObject = {"auto_cache": False, **(options or {})}
    request = Request(
        model="claude", messages=messages, provider_options={"anthropic": plain}, **more
    )
    return write_request(request, provider="anthropic")


def blocks(*parts: ContentPart, role: Role = Role.ASSISTANT) -> Any:
    turns: Any = written(Message(role, parts)).body["messages"]
    (message,) = turns
    return message["content"]


def test_instructions_are_separate_and_max_tokens_is_always_set() -> None:
    sent = written(Message.system("a"), Message.user("b"), Message.developer("c"))
    assert sent.body == {
        "model": "claude",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "c"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "b"}]}],
    }
    assert (sent.headers, list(sent.warnings)) == ({}, [])


def test_reasoning_of_other_providers_is_built_from_its_fields() -> None:
    assert blocks(
        ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm", "sig")),
        ContentPart(ContentKind.REDACTED_THINKING, thinking=ThinkingData("x", redacted=True)),
        ContentPart(ContentKind.THINKING, thinking=ThinkingData("unsigned")),
    ) == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "x"},
    ]


def test_own_provider_data_is_sent_back_verbatim() -> None:
    item: JsonObject = {"type": "thinking", "thinking": "hm", "signature": "s", "odd": [1]}
    thinking = ThinkingData("hm", "s")
    ours, others = ProviderData("anthropic", item), ProviderData("openai", item)
    assert blocks(
        ContentPart(ContentKind.THINKING, thinking=thinking, provider_data=ours),
        ContentPart(ContentKind.THINKING, thinking=thinking, provider_data=others),
        ContentPart("server_tool_use", provider_data=ProviderData("anthropic", {"id": "1"})),
        ContentPart("web_search_call", provider_data=others),
        ContentPart(ContentKind.TEXT, text="kept", provider_data=others),
    ) == [item, {"id": "1"}, {"type": "text", "text": "kept"}]


def test_called_tools_are_sent_although_none_may_be_called() -> None:
    call = ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("1", "shell", {}))
    talk = [Message(Role.ASSISTANT, [call]), Message.tool_result("1", "a")]
    sent = written(*talk, tools=[SHELL], tool_choice=ToolChoice("none")).body
    assert sent["tool_choice"] == {"type": "none"}
    assert "Run a command." in str(sent["tools"])


def test_unsupported_options_are_warned_about() -> None:
    sent = written(metadata={"run": "1"}, reasoning_effort="odd")
    assert [one.code for one in sent.warnings] == ["unsupported_parameter"] * 2
    assert "metadata" not in sent.body


def test_response_format_becomes_an_instruction_with_a_warning() -> None:
    wanted = ResponseFormat("json_schema", {"type": "object", "title": "Person"})
    sent = written(Message.system("a"), response_format=wanted)
    system: Any = sent.body["system"]
    assert (len(system), system[0]["text"]) == (2, "a")
    assert '"title": "Person"' in system[1]["text"]
    assert [one.code for one in sent.warnings] == ["schema_not_enforced"]


@table("names", ["a-1", [1], {"a": 1}])
def test_beta_headers_are_a_list_of_names(names: Any) -> None:
    with pytest.raises(ConfigurationError, match="beta_headers"):
        written(options={"beta_headers": names})


def test_unknown_fields_of_a_call_are_sent_back() -> None:
    call = ToolCallData("1", "shell", {"a": 1})
    kept = ProviderData("anthropic", {"caller": {"type": "direct"}})
    part = ContentPart(ContentKind.TOOL_CALL, tool_call=call, provider_data=kept)
    (block,) = blocks(part)
    assert block == {
        "type": "tool_use",
        "id": "1",
        "name": "shell",
        "input": {"a": 1},
        "caller": {"type": "direct"},
    }


def test_settings_of_thinking_models() -> None:
    sent = written(reasoning_effort="medium", temperature=0.5, top_p=0.5)
    assert sent.body == {
        "model": "claude",
        "max_tokens": 4096 + 8192,
        "messages": [],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "medium"},
    }
    assert [one.message for one in sent.warnings] == [
        "Anthropic does not support temperature while the model thinks",
        "Anthropic does not support top_p while the model thinks",
    ]


def test_refused_settings_are_omitted_with_a_warning() -> None:
    for model, thinks, temperature, top_p, sent in (
        ("claude-3-7-sonnet", False, 0.5, 0.5, {"temperature", "top_p"}),
        ("claude-opus-4-6", False, 0.5, None, {"temperature"}),
        ("claude-opus-4-6", False, 0.5, 0.5, {"temperature"}),
        ("claude-opus-4-6", True, 0.5, None, set[str]()),
        ("claude-opus-4-6", True, 1.0, None, {"temperature"}),
        ("claude-opus-4-6", True, 0.5, 0.96, {"top_p"}),
        ("claude-opus-4-6", True, None, 0.9, set[str]()),
        ("claude-opus-4-7", False, 0.0, 0.5, set[str]()),
        ("claude-opus-5-5", False, 1.0, 1.0, {"temperature", "top_p"}),
    ):
        request = Request(model, [], temperature=temperature, top_p=top_p)
        found = write_sampling(request, thinks=thinks)
        asked = {"temperature": temperature, "top_p": top_p}
        given = {name for name, value in asked.items() if value is not None}
        assert set(found.fields) == sent
        assert {one.split()[0] for one in found.ignored} == given - sent
        assert all(found.fields[name] == asked[name] for name in sent)


ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-6"


def anthropic_thinking_written(
    model: str, effort: str | None, *turns: Json, **more: Any
) -> Thinking:
    request = Request(model, [], reasoning_effort=effort, **more)
    return write_thinking(request, turns, provider="anthropic")


def options(**given: Json) -> dict[str, JsonObject]:
    return {"anthropic": given}


def turn(role: str, *kinds: str) -> Json:
    return {"role": role, "content": [{"type": kind} for kind in kinds]}


def test_a_version_is_read_from_the_name() -> None:
    for model, version in (
        ("claude-opus-4-6", (4, 6)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-opus-5-5", (5, 5)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-mythos-preview", None),
    ):
        assert model_version(model) == version


def test_newer_models_get_an_effort_level() -> None:
    for model, effort, level in (
        ("claude-opus-4-6", "low", "low"),
        ("claude-opus-4-6", "max", "max"),
        ("claude-sonnet-4-6", "minimal", "low"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        ("claude-haiku-5-5", "high", "high"),
        ("claude-mythos-preview", "medium", "medium"),
        ("claude-of-tomorrow", "high", "high"),
    ):
        fields, room, ignored = anthropic_thinking_written(model, effort)
        assert fields == {"thinking": ADAPTIVE, "output_config": {"effort": level}}
        assert (room > 0, ignored) == (True, [])


def test_older_models_are_given_a_number_of_tokens() -> None:
    for effort, budget in (("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24576)):
        fields, room, ignored = anthropic_thinking_written(OLD, effort)
        assert fields == {"thinking": {"type": "enabled", "budget_tokens": budget}}
        assert (room, ignored) == (budget, [])
        both = anthropic_thinking_written("claude-opus-4-5-20251101", effort).fields
        assert both["thinking"] == fields["thinking"]
        assert both["output_config"] == {"effort": "low" if effort == "minimal" else effort}


@table(("model", "effort"), [(NEW, "xhigh"), (OLD, "xhigh"), (OLD, "max")])
def test_effort_above_the_maximum_is_lowered_with_a_warning(model: str, effort: str) -> None:
    fields, _, (message,) = anthropic_thinking_written(model, effort)
    high = anthropic_thinking_written(model, "high").fields
    assert (fields, "used: 'high'" in message) == (high, True)


def test_reasoning_budget_leaves_the_requested_tokens() -> None:
    assert anthropic_thinking_written(OLD, "high", max_tokens=4096).fields == {
        "thinking": {"type": "enabled", "budget_tokens": 3072}
    }
    fields, _, (message,) = anthropic_thinking_written(OLD, "high", max_tokens=2000)
    assert (fields, "fewer than 2048 max_tokens" in message) == ({}, True)


def test_effort_none_omits_thinking() -> None:
    assert (
        anthropic_thinking_written(NEW, "none")
        == anthropic_thinking_written(OLD, "none")
        == Thinking({}, 0, [])
    )
    assert anthropic_thinking_written("claude-opus-5-5", "none").ignored == [
        "reasoning_effort 'none'"
    ]


@table("choice", [ToolChoice("required"), ToolChoice("named", "shell")])
def test_forced_tool_call_disables_thinking(choice: ToolChoice) -> None:
    fields, room, (message,) = anthropic_thinking_written(
        NEW, "high", tools=[SHELL], tool_choice=choice
    )
    assert (fields, room) == ({"output_config": {"effort": "high"}}, 0)
    assert "with a required tool call" in message
    assert (
        anthropic_thinking_written(
            NEW, "high", tools=[SHELL], tool_choice=ToolChoice("auto")
        ).ignored
        == []
    )


def test_older_model_continues_thinking_only_if_it_began() -> None:
    for kinds, can_think in (
        (("thinking", "tool_use"), True),
        (("redacted_thinking", "tool_use"), True),
        (("text", "tool_use"), False),
        (("tool_use",), False),
    ):
        loop = [
            turn("user", "text"),
            turn("assistant", *kinds),
            turn("user", "tool_result"),
            turn("assistant", "tool_use"),
            turn("user", "tool_result", "text"),
        ]
        fields, _, ignored = anthropic_thinking_written(OLD, "high", *loop)
        assert ("thinking" in fields, not ignored) == (can_think, can_think)
        assert "thinking" in anthropic_thinking_written(NEW, "high", *loop).fields
        over = [*loop, turn("assistant", "text"), turn("user", "text")]
        assert "thinking" in anthropic_thinking_written(OLD, "high", *over).fields


def test_thinking_options_override_the_effort() -> None:
    own = options(thinking={"type": "enabled", "budget_tokens": 2000})
    assert anthropic_thinking_written(NEW, "low", provider_options=own) == Thinking(
        {"output_config": {"effort": "low"}}, 2000, []
    )
    fields, room, (message,) = anthropic_thinking_written(OLD, "low", provider_options=own)
    assert (fields, room, "together with the option" in message) == ({}, 2000, True)
    assert anthropic_thinking_written(NEW, None, provider_options=own) == Thinking(room=2000)
