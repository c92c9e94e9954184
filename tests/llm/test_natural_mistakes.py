"""Values that programs without type checks pass by mistake, and conveniences that are accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from attractor.llm import (
    AudioData,
    Client,
    ConfigurationError,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    OpenAIAdapter,
    Request,
    ResponseFormat,
    Role,
    Tool,
    ToolDefinition,
    generate_object_sync,
    generate_sync,
    stream,
    stream_object_sync,
)
from attractor.llm.messages import inline
from tests.llm.asking import speaking

SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
odd: Any = object()


class Person(BaseModel):
    name: str
    age: int


def client() -> Client:
    return Client(providers={"openai": OpenAIAdapter(api_key="k")}, default_provider="openai")


def asked(**options: Any) -> Callable[[], object]:
    given: Any = {"prompt": "hi", "client": client()} | options
    return lambda: generate_sync("gpt-5.2", **given)


def made(type_: Callable[..., object], *values: Any, **named: Any) -> Callable[[], object]:
    return lambda: type_(*values, **named)


MISTAKES: list[tuple[Callable[[], object], str]] = [
    (asked(system=5), "invalid system: 5 (pass a text)"),
    (asked(prompt=["hi"]), "pass a conversation as messages=[...]"),
    (asked(prompt=None, messages="hi"), "invalid messages: 'hi' (pass a list"),
    (asked(prompt=None, messages=["hi"]), "invalid message: 'hi' (pass a Message, or {"),
    (asked(prompt=None, messages=[{"rol": "user"}]), "unknown field 'rol' of Message (did you"),
    (asked(prompt=None, messages=[{"role": "user"}]), "missing field 'content' of Message"),
    (
        asked(prompt=None, messages=[{"role": "bot", "content": "hi"}]),
        "invalid Message.role: 'bot' (pass system, user, assistant, tool, developer)",
    ),
    (asked(temperature="hot"), "invalid temperature: 'hot' (pass a number of 0 or more)"),
    (asked(temperature=True), "invalid temperature: True"),
    (asked(temperature=float("nan")), "invalid temperature: nan"),
    (asked(top_p=-1), "invalid top_p: -1"),
    (asked(max_tokens=-1), "invalid max_tokens: -1 (pass an integer of 1 or more)"),
    (asked(max_tokens="10"), "invalid max_tokens: '10'"),
    (asked(stop_sequences="END"), "invalid stop_sequences: 'END' (pass a list of texts"),
    (asked(reasoning_effort=3), "invalid reasoning_effort: 3"),
    (asked(provider=3), "invalid provider: 3"),
    (asked(tool_choice="auto"), "invalid tool_choice: 'auto' (pass a ToolChoice, such as ToolC"),
    (asked(response_format="json"), "pass a ResponseFormat"),
    (asked(provider_options="x"), "invalid provider_options: 'x' (pass options by provider"),
    (asked(provider_options={"openai": 5}), "invalid provider_options: {'openai': 5}"),
    (
        asked(provider_options={"reasoning": {"effort": "low"}}),
        "unknown provider 'reasoning' in provider_options (write the options by provider, such",
    ),
    (asked(tools=odd), "pass a list of Tool or ToolDefinition objects"),
    (asked(tools=[print]), "pass Tool or ToolDefinition objects"),
    (asked(timeout=-1), "invalid time limit total=-1"),
    (asked(stop_when=5), "invalid stop_when: 5 (pass a function of the steps)"),
    (asked(repair_tool_call=5), "invalid repair_tool_call: 5"),
    (asked(client="openai"), "invalid client: 'openai' (pass a Client, such as"),
    (lambda: stream("gpt-5.2", "hi", max_tokens=0), "invalid max_tokens: 0"),
    (made(generate_sync, "", "hi", client=client()), "invalid model: ''"),
    (made(generate_sync, 5, "hi", client=client()), "invalid model: 5"),
    (made(Request, "m", odd), "invalid messages: <object"),
    (made(Request, "m", [], metadata={"a": 1}), "invalid metadata: {'a': 1}"),
    (
        lambda: generate_object_sync("gpt-5.2", "hi", schema=odd, client=client()),
        "pass a JSON schema as a dict, or a pydantic class",
    ),
    (made(Tool, "a", "A.", SCHEMA, "run"), "invalid execute of the tool 'a': 'run' (pass a func"),
    (made(Tool, 5, "A.", SCHEMA), "invalid name of a tool: 5"),
    (made(ToolDefinition, "a", None, SCHEMA), "invalid description of a tool: None"),
    (made(ToolDefinition, "a", "A.", "{}"), "invalid parameters of the tool 'a': '{}'"),
    (made(ResponseFormat, "json_schema", "{}"), "invalid json_schema: '{}'"),
    (made(Message, "user", 5), "invalid message content of type int (pass a text, or a list"),
    (made(Message.user, 5), "invalid text of a content part: 5"),
    (made(ContentPart, "image", image="a.png"), "pass a ImageData"),
    (made(ImageData, "file:///tmp/a%20b.png"), "unsupported file: URL of an image (pass the pa"),
    (made(AudioData, "file:///a.wav"), "unsupported file: URL of a recording (pass the path /a."),
    (made(DocumentData, "plan.pdf"), "invalid URL of a document: 'plan.pdf' (write ./plan.pdf"),
    (made(ImageData, 5), "invalid url of an image: 5"),
    (made(ImageData, data="cG5n"), "invalid data of an image: 'cG5n' (pass bytes; pass base64"),
]


def test_a_natural_mistake_is_an_error_whose_text_has_the_hint() -> None:
    for attempt, message in MISTAKES:
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        assert message in str(caught.value)
        assert caught.value.hint in str(caught.value)


def test_messages_may_be_dicts() -> None:
    said: Any = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"kind": "text", "text": "Hello."}]},
        Message.assistant("Hi."),
        {"role": "user", "content": "Again."},
    ]
    request = Request("m", said)
    assert [(one.role, one.text) for one in request.messages] == [
        (Role.SYSTEM, "Be kind."),
        (Role.USER, "Hello."),
        (Role.ASSISTANT, "Hi."),
        (Role.USER, "Again."),
    ]
    with speaking('rules = [{ when = { last_user = "Again." }, answer.text = "Hm." }]') as twin:
        client = Client.from_env(twin.environ())
        assert generate_sync("gpt-5.2", messages=said, client=client).text == "Hm."


def test_a_schema_may_be_a_pydantic_class() -> None:
    with speaking("""rules = [{ answer.text = '{"name": "Ann", "age": 3}' }]""") as twin:
        client = Client.from_env(twin.environ())
        result = generate_object_sync("gpt-5.2", "Who?", schema=Person, client=client)
        # The static type of an object is a dict: this line passes the type checker.
        assert result.output["name"] == "Ann"
        with stream_object_sync("gpt-5.2", "Who?", schema=Person, client=client) as streamed:
            assert streamed.object() == streamed.result().output == {"name": "Ann", "age": 3}
    assert Tool("a", "A.", Person).parameters == Person.model_json_schema()
    assert ResponseFormat("json_schema", Person).json_schema == Person.model_json_schema()


def test_a_path_may_be_given_for_media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"png")
    for path in (tmp_path / "a.png", Path("a.png"), Path("../") / tmp_path.name / "a.png"):
        found = inline(ImageData(path))
        assert found is not None
        assert (found.content, found.media_type) == (b"png", "image/png")
    part: Any = Path("a.png")
    assert ContentPart(ContentKind.IMAGE, image=part).image == ImageData("./a.png")
    assert DocumentData(Path("/a.pdf")).url == "/a.pdf"
