""""""

import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given

from attractor.llm import (
    Client,
    ConfigurationError,
    ContentKind,
    ContentPart,
    DocumentData,
    FinishReason,
    ImageData,
    InvalidRequestError,
    Message,
    ProviderData,
    Request,
    Response,
    ResponseFormat,
    Role,
    SDKError,
    ServerError,
    StreamAccumulator,
    StreamEvent,
    StreamEventType,
    ThinkingData,
    ToolChoice,
    ToolDefinition,
    ToolResultData,
    Usage,
)
from attractor.llm.errors import NotCachedError
from attractor.llm.middleware import DiskCache, replay
from attractor.llm.middleware.disk_cache import CacheMode, differences, digest_of
from tests.agent.scripted import ScriptedProvider, said
from tests.llm.asking import a_request, ask as ask_twin, speaking
from tests.llm.middleware.answers import answers, texts
from tests.llm.middleware.asked import HELLO, ask, codes, hear, run, whole
from tests.tables import table


@given(answers)
def test_cached_response_is_unchanged(answer: Response) -> None:
    again = Response.from_dict(json.loads(json.dumps(answer.to_dict())))
    assert again == answer
    # Equal objects may differ in the order of their keys; messages to a provider must not.
    assert repr(again) == repr(answer)


TOOL = ToolDefinition("add", "Add.", {"type": "object", "properties": {}})
ASKED = Request("m", [Message.user("a"), Message.user("b")], "openai", tools=[TOOL])


def seen(image: ImageData) -> Request:
    part = ContentPart(ContentKind.IMAGE, image=image)
    return replace(ASKED, messages=[Message(Role.USER, [part])])


def key(request: Request) -> str:
    return digest_of(request).key


def test_equal_requests_have_the_same_key() -> None:
    again = Request("m", (Message.user("a"), Message.user("b")), "openai", tools=(TOOL,))
    assert key(again) == key(ASKED)


OTHER_TEXT = ContentPart(
    ContentKind.TEXT, text="b", provider_data=ProviderData("openai", {"signature": "s"})
)
CHANGES: dict[str, Callable[[Request], Request]] = {
    "provider": lambda one: replace(one, provider="anthropic"),
    "model": lambda one: replace(one, model="n"),
    "message 2 of 2": lambda one: replace(one, messages=[Message.user("a"), Message.user("c")]),
    "the number of messages": lambda one: replace(one, messages=[Message.user("a")]),
    "tools": lambda one: replace(one, tools=[replace(TOOL, description="More.")]),
    "tool_choice": lambda one: replace(one, tool_choice=ToolChoice("required")),
    "response_format": lambda one: replace(one, response_format=ResponseFormat("json")),
    "temperature": lambda one: replace(one, temperature=0.5),
    "max_tokens": lambda one: replace(one, max_tokens=5),
    "stop_sequences": lambda one: replace(one, stop_sequences=["."]),
    "reasoning_effort": lambda one: replace(one, reasoning_effort="low"),
    "metadata": lambda one: replace(one, metadata={"user": "1"}),
    "provider_options": lambda one: replace(one, provider_options={"openai": {"seed": 1}}),
}


@table("what", CHANGES)
def test_every_change_is_another_key_and_is_named(what: str) -> None:
    asked, kept = digest_of(CHANGES[what](ASKED)), digest_of(ASKED)
    assert asked.key != kept.key
    [named] = differences(asked.fields, kept.fields)
    assert named.startswith(what)


def test_provider_data_of_a_text_changes_the_key() -> None:
    said = [Message.user("a"), Message(Role.USER, [OTHER_TEXT])]
    assert key(replace(ASKED, messages=said)) != key(ASKED)


def test_image_is_compared_by_content(tmp_path: Path) -> None:
    file = tmp_path / "seen.png"
    file.write_bytes(b"one")
    by_path = ImageData(url=str(file))
    before = key(seen(by_path))
    assert before == key(seen(ImageData(data=b"one")))
    assert before != key(seen(ImageData(data=b"two")))
    file.write_bytes(b"two")
    assert key(seen(by_path)) != before
    file.unlink()
    assert key(seen(by_path)) != before
    assert key(seen(ImageData(url="https://a/1"))) != key(seen(ImageData(url="https://a/2")))


def test_media_of_results_and_names_of_documents_count() -> None:
    def keyed(**result: Any) -> str:
        found = ToolResultData("1", "seen", **result)
        part = ContentPart(ContentKind.TOOL_RESULT, tool_result=found)
        return key(replace(ASKED, messages=[Message(Role.TOOL, [part])]))

    documents = [DocumentData(data=b"pdf", file_name=name) for name in ("a", "b")]
    keys = [keyed(image_data=b"a"), keyed(image_data=b"b"), *(keyed(document=d) for d in documents)]
    assert len(set(keys)) == 4


def test_a_request_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cannot hash"):
        key(replace(ASKED, provider_options={"openai": {"top_k": float("nan")}}))


def kept_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.answer.json"))


def test_cached_answer_is_not_requested_again(tmp_path: Path) -> None:
    provider, cache = ScriptedProvider(said("one"), said("two")), DiskCache(tmp_path / "kept")
    first = ask(provider, around=[cache])
    again = ask(provider, around=[cache])
    assert (replace(again, warnings=()), codes(again)) == (first, ["cache_hit"])
    assert ask(provider, around=[DiskCache(tmp_path / "kept")]) == again
    other = replace(HELLO, temperature=0.5)
    assert ask(provider, around=[cache], request=other).text == "two"
    assert (cache.hits, cache.misses, len(provider.requests)) == (1, 2, 2)


def test_an_answer_of_a_provider_is_replayed_to_the_last_byte(tmp_path: Path) -> None:
    script = """
    [[rules]]
    [rules.answer]
    text = "Done."
    thinking = "hm"
    redacted_thinking = "sealed"
    tool_calls = [{ name = "shell", arguments = { b = 1, a = [2] } }]
    """
    with speaking(script) as twin:
        request = a_request("anthropic", "go")
        first = ask_twin(twin, request, middleware=[DiskCache(tmp_path)])
        again = ask_twin(twin, request, middleware=[DiskCache(tmp_path, mode="read_only")])
        assert len(twin.requests) == 1
    assert repr(replace(again, warnings=())) == repr(first)


@table("mode", get_args(CacheMode))
def test_an_error_is_not_kept(tmp_path: Path, mode: CacheMode) -> None:
    trouble = ServerError("down", provider="openai", status_code=500)
    with pytest.raises((ServerError, NotCachedError)):
        ask(ScriptedProvider(trouble), around=[DiskCache(tmp_path, mode=mode)])
    assert kept_files(tmp_path) == []


def test_answer_that_ends_with_an_error_is_requested_again(tmp_path: Path) -> None:
    provider = ScriptedProvider(FinishReason("error"), said("one"))
    assert ask(provider, around=[DiskCache(tmp_path)]).text == ""
    assert ask(provider, around=[DiskCache(tmp_path)]).text == "one"


def test_a_stream_that_broke_off_is_not_kept(tmp_path: Path) -> None:
    cut = 'text = "a b c d", fault = { kind = "cut", after = 4 }'

    async def hear_twin(environ: Mapping[str, str]) -> list[StreamEvent]:
        made = Client.from_env(environ, middleware=[DiskCache(tmp_path)])
        async with made as client:
            return [one async for one in client.stream(a_request("openai", "go"))]

    with speaking(f"[[rules]]\nanswer = {{ {cut} }}") as twin, pytest.raises(SDKError):
        run(hear_twin(twin.environ()))
    assert kept_files(tmp_path) == []


def test_read_only_miss_names_the_nearest_difference(tmp_path: Path) -> None:
    provider = ScriptedProvider(said("one"), said("two"))
    replaying = DiskCache(tmp_path / "kept", mode="read_only")
    with pytest.raises(NotCachedError, match="no cached answer") as caught:
        ask(provider, around=[replaying])
    assert not caught.value.retryable
    assert "read_write" in caught.value.hint
    for text in ("hello", "something else"):
        asked = replace(HELLO, messages=[Message.user(text)], temperature=0.5)
        ask(provider, around=[DiskCache(tmp_path / "kept")], request=asked)
    with pytest.raises(
        NotCachedError, match="the most similar cached request differs in temperature "
    ):
        hear(provider, around=[replaying])
    assert len(provider.requests) == 2


def test_refresh_asks_again_and_stores_the_answer(tmp_path: Path) -> None:
    provider = ScriptedProvider(said("old"), said("new"))
    ask(provider, around=[DiskCache(tmp_path)])
    assert ask(provider, around=[DiskCache(tmp_path, mode="refresh")]).text == "new"
    assert ask(provider, around=[DiskCache(tmp_path, mode="read_only")]).text == "new"


DAMAGES: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[: len(text) // 2],
    "one letter": lambda text: text.replace("one", "eno"),
    "empty": lambda text: "",
    "other version": lambda text: text.replace('"attractor_answer":2', '"attractor_answer":1'),
    "no text": lambda text: "\udcff\n",
}


@table("damage", DAMAGES)
def test_corrupt_file_is_a_reported_miss(tmp_path: Path, damage: str) -> None:
    provider = ScriptedProvider(said("one"), said("two"), said("three"))
    ask(provider, around=[DiskCache(tmp_path)])
    [file] = kept_files(tmp_path)
    damaged = DAMAGES[damage](file.read_text("utf-8"))
    file.write_text(damaged, "utf-8", "surrogateescape")
    with pytest.raises(NotCachedError, match=file.name):
        ask(provider, around=[DiskCache(tmp_path, mode="read_only")])
    events = hear(provider, around=[DiskCache(tmp_path)])
    assert codes(whole(events)) == ["cache_damaged"]
    assert events[0].start is not None
    assert events[0].start.warnings == whole(events).warnings
    again = ask(provider, around=[DiskCache(tmp_path)])
    assert (again.text, codes(again)) == ("two", ["cache_hit"])


def test_folder_in_place_of_an_answer_is_reported(tmp_path: Path) -> None:
    ask(ScriptedProvider(said("one")), around=[DiskCache(tmp_path)])
    [file] = kept_files(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(NotCachedError, match="cannot read"):
        ask(ScriptedProvider(), around=[DiskCache(tmp_path, mode="read_only")])


def test_answer_that_cannot_be_stored_has_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = ask(ScriptedProvider(said("one")), around=[DiskCache(tmp_path / "file" / "kept")])
    assert (answer.text, codes(answer)) == ("one", ["cache_not_written"])
    replaying = DiskCache(tmp_path / "file" / "kept", mode="read_only")
    with pytest.raises(NotCachedError, match="no cached answer"):
        ask(ScriptedProvider(said("one")), around=[replaying])


@table("folder", ["\0bad", "\ud800"])
def test_impossible_folder_name_is_refused_at_once(folder: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid folder name"):
        DiskCache(folder)


def test_files_are_ours_alone_and_hold_no_key(tmp_path: Path) -> None:
    with speaking('[[rules]]\nanswer.text = "hi"') as twin:
        ask_twin(twin, a_request("openai", "go"), middleware=[DiskCache(tmp_path / "kept")])
        key = twin.environ()["OPENAI_API_KEY"]
    [file] = kept_files(tmp_path / "kept")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert key not in file.read_text("utf-8")
    head = json.loads(file.read_text("utf-8").partition("\n")[0])
    assert (head["attractor_answer"], head["request"]["model"]) == (2, "gpt-5.2")


def test_unknown_cache_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown cache mode 'write_only'"):
        DiskCache(tmp_path, mode="write_only")  # pyright: ignore[reportArgumentType]


@given(answers)
def test_a_replayed_answer_accumulates_to_the_same_one(answer: Response) -> None:
    events = list(replay(answer))
    assert whole(events) is answer
    start = events[0].start
    assert start is not None
    assert (start.rate_limit, start.warnings) == (answer.rate_limit, answer.warnings)


@given(texts)
def test_the_pieces_are_the_whole_text(text: str) -> None:
    said = Message.assistant(text)
    answer = Response("1", "m", "openai", said, FinishReason("stop"), Usage())
    heard = StreamAccumulator()
    for event in list(replay(answer))[:-1]:
        heard.process(event)
    assert heard.partial_response is not None
    assert heard.partial_response.text == text


def test_redacted_reasoning_is_not_replayed_as_text() -> None:
    hidden = ThinkingData("opaque", redacted=True)
    part = ContentPart(ContentKind.REDACTED_THINKING, thinking=hidden)
    said = Message(Role.ASSISTANT, [part])
    events = list(replay(Response("1", "m", "anthropic", said, FinishReason("stop"), Usage())))
    assert StreamEventType.REASONING_DELTA not in [one.type for one in events]
    assert not any(one.text for one in events)
