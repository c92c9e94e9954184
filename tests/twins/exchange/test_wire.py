""""""

import os.path
from collections.abc import Sequence
from typing import Any

import httpx
from hypothesis import given, strategies as st

from attractor.base.json import JsonObject
from attractor.twins.exchange.answer import streamed, whole
from attractor.twins.exchange.wire import (
    CacheUsage,
    Conversation,
    PromptBlock,
    PromptCache,
    ServerEvent,
    Speaker,
    Turn,
    WireRequest,
    count_tokens,
    in_letters,
    in_words,
    join_turns,
    nearest_wire,
    record_at,
    records_at,
    text_at,
    wire_registry,
)
from attractor.twins.pytest_plugin import StartTwin
from tests.tables import table
from tests.twins.exchanging import ANY, KEYS, PATHS
from tests.twins.streaming import events_of

speakers = st.sampled_from(Speaker)
turns = st.lists(st.builds(Turn, speakers, st.text(max_size=5)))

TALK = Conversation(
    "openai",
    "gpt-5",
    "Be brief.",
    [
        Turn(Speaker.USER, "look"),
        Turn(Speaker.ASSISTANT, "shell()"),
        Turn(Speaker.TOOL, "old"),
        Turn(Speaker.ASSISTANT, "shell()"),
        Turn(Speaker.TOOL, "new"),
        Turn(Speaker.USER, "hurry"),
    ],
)


def test_a_script_sees_scene_step_and_newest_results() -> None:
    assert (TALK.first_user, TALK.last_user, TALK.step) == ("look", "hurry", 2)
    assert TALK.tool_result == "new"
    assert TALK.words.splitlines()[:2] == ["Be brief.", "look"]


def test_older_tool_results_are_ignored() -> None:
    later = Conversation("openai", "gpt-5", turns=[*TALK.turns, Turn(Speaker.ASSISTANT, "done")])
    assert (later.tool_result, later.step) == ("", 3)


def test_empty_conversation_has_empty_texts() -> None:
    empty = Conversation("openai", "gpt-5")
    assert (empty.first_user, empty.last_user, empty.tool_result) == ("", "", "")
    assert (empty.step, empty.tokens) == (0, 0)


def test_consecutive_messages_are_one_turn() -> None:
    said = [
        Turn(Speaker.ASSISTANT, "a"),
        Turn(Speaker.ASSISTANT, ""),
        Turn(Speaker.ASSISTANT, "b"),
        Turn(Speaker.TOOL, "c"),
    ]
    assert join_turns(said) == [Turn(Speaker.ASSISTANT, "a\nb"), Turn(Speaker.TOOL, "c")]


@given(turns, st.integers(0, 9))
def test_joining_turns_is_associative(said: list[Turn], cut: int) -> None:
    joined = join_turns(said)
    assert join_turns([*join_turns(said[:cut]), *said[cut:]]) == joined
    assert all(one.speaker != other.speaker for one, other in zip(joined, joined[1:], strict=False))


def test_four_letters_are_about_a_token() -> None:
    assert [count_tokens("x" * length) for length in (0, 1, 4, 5)] == [0, 1, 1, 2]


WIRES = list(wire_registry().values())


@table("wire", list(PATHS))
def test_path_decides_before_headers(wire: str) -> None:
    for headers in KEYS.values():
        assert nearest_wire(WIRES, PATHS[wire], headers).name == wire
        assert nearest_wire(WIRES, f"{PATHS[wire]}/more", headers).name == wire


@table("path", ["/", "", "/v1", "/v1/files", "/v2/messages", "/v1/models/m/x"])
def test_headers_decide_for_unknown_paths(path: str) -> None:
    found = {wire: nearest_wire(WIRES, path, headers).name for wire, headers in KEYS.items()}
    # Both wires of one provider share the key and the errors.
    assert found == {**{wire: wire for wire in KEYS}, "openai_chat": "openai"}
    assert nearest_wire(WIRES, path, {}).name == "openai"


def test_a_body_has_its_length_and_a_stream_has_none() -> None:
    body = whole(429, "é".encode(), {"X-Left": "0", "Content-Length": "7"}, rule="r")
    assert body.headers == {
        "content-type": "application/json",
        "x-left": "0",
        "content-length": "2",
    }
    assert (body.status, body.rule, body.body) == (429, "r", "é".encode())
    stream = streamed([b"a", b"b"], {"X-Left": "0"})
    assert stream.headers == {"content-type": "text/event-stream", "x-left": "0"}
    assert (stream.status, stream.body) == (200, b"ab")


@given(st.text())
def test_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(in_words(text)) == text
    assert "".join(in_letters(text)) == text
    assert all([*in_words(text), *in_letters(text)])


def test_stream_pieces_are_a_few_words_or_characters() -> None:
    assert in_words(" a b  c d\ne\tf\n\n g ") == [" a b  c ", "d\ne\tf\n\n ", "g "]
    assert in_words(" \n") == [" \n"]
    assert in_letters("0123456789abcdef") == ["0123456789ab", "cdef"]
    assert len(in_words("word " * 100_000)) == 33_334
    assert in_words("x" * 1_000_000 + " " * 1_000_000)


def test_an_event_is_its_name_its_data_and_an_empty_line() -> None:
    event = ServerEvent({"a": "é\n"}, "b")
    assert event.encoded() == 'event: b\ndata: {"a":"é\\n"}\n\n'.encode()
    assert ServerEvent({}, line_end="\r\n").encoded() == b"data: {}\r\n\r\n"


def test_a_text_in_the_place_of_the_data_stays_one_event() -> None:
    (event,) = events_of(ServerEvent({}, "b").encoded("one\n\nevent: c\r\n{"))
    assert (event.event, event.data) == ("b", "one\n\nevent: c\n{")


def test_an_event_may_be_a_word_that_is_no_json() -> None:
    done = ServerEvent({}, text="[DONE]")
    assert (done.encoded(), done.encoded("{")) == (b"data: [DONE]\n\n", b"data: {\n\n")


def test_missing_fields_are_empty() -> None:
    record: JsonObject = {"a": "x", "b": {"c": 1}, "d": [{"e": 2}, 3]}
    assert (text_at(record, "a"), text_at(record, "b"), text_at(record, "z")) == ("x", "", "")
    assert (record_at(record, "b"), record_at(record, "a")) == ({"c": 1}, {})
    assert (records_at(record, "d"), records_at(record, "b")) == ([{"e": 2}], [])


LETTERS = st.text("ab", max_size=24)
MARK = {"cache_control": {"type": "ephemeral"}}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "cGljdHVyZQ=="}


def asked(
    text: str,
    marks: Sequence[int] | None = None,
    *,
    wire: str = "openai",
    model: str = "m",
    tools: Any = None,
) -> WireRequest:
    """Return a request with this text; with marks each letter is a block, marked at these ends."""
    blocks = None
    if marks is not None:
        blocks = [PromptBlock(one, end, end in marks) for end, one in enumerate(text, 1)]
    return WireRequest(Conversation(wire, model, text, (), blocks), {"tools": tools}, "seed")


def looked_up(now: WireRequest, *earlier: WireRequest) -> CacheUsage:
    cache = PromptCache()
    for one in earlier:
        cache.remember(one)
    return cache.look_up(now)


@given(LETTERS, st.lists(LETTERS))
def test_longest_common_prefix_is_a_cache_read(now: str, earlier: list[str]) -> None:
    shared = max((len(os.path.commonprefix([now, one])) for one in earlier), default=0)
    assert looked_up(asked(now), *map(asked, earlier)) == CacheUsage(shared // 4, 0)


marked = st.text("ab", min_size=4, max_size=24).flatmap(
    lambda text: st.tuples(st.just(text), st.lists(st.integers(1, len(text)), max_size=4))
)


@given(marked, st.lists(marked))
def test_last_matching_mark_is_a_cache_read(
    now: tuple[str, list[int]], earlier: list[tuple[str, list[int]]]
) -> None:
    text, marks = now
    last = max(marks, default=0)
    before = {one[:mark] for one, others in earlier for mark in others}
    read = max((len(one) for one in before if text[:last].startswith(one)), default=0)
    found = looked_up(asked(*now), *(asked(*one) for one in earlier))
    assert found == CacheUsage(read // 4, last // 4 - read // 4)


@table("marks", [None, [8]])
def test_cache_is_separate_per_wire_model_and_tools(marks: list[int] | None) -> None:
    before = asked("12345678", marks)
    assert looked_up(asked("12345678", marks), before).read == 2
    others: list[Any] = [{"wire": "gemini"}, {"model": "n"}, {"tools": [{"name": "shell"}]}]
    for other in others:
        assert looked_up(asked("12345678", marks, **other), before).read == 0


def test_large_prompts_are_looked_up_quickly() -> None:
    text = "word " * 200_000
    assert looked_up(asked(text + "b"), *(asked(text + "a" * n) for n in range(9))).read == 250_000


def talk(wire: str, *turns: str, mark: bool = True) -> dict[str, Any]:
    """Make a conversation that begins with the user; for Anthropic the last turn is marked."""
    if wire == "gemini":
        roles = ("user", "model")
        said = [{"role": roles[n % 2], "parts": [{"text": turn}]} for n, turn in enumerate(turns)]
        return {"contents": said}
    roles = ("user", "assistant")
    kinds = ("input_text", "output_text") if wire == "openai" else ("text", "text")
    items: list[Any] = [
        {"role": roles[n % 2], "content": [{"type": kinds[n % 2], "text": turn}]}
        for n, turn in enumerate(turns)
    ]
    if wire == "openai":
        return {"model": "m", "input": items}
    if wire == "openai_chat":
        return {"model": "m", "messages": items}
    if mark:
        items[-1]["content"][0] |= MARK
    return {"model": "m", "max_tokens": 9, "messages": items}


def usage(twin_url: str, wire: str, body: dict[str, Any]) -> tuple[int, int, int]:
    """Return the tokens that were new, read from the cache, and written to it."""
    path = PATHS[wire]
    answer = httpx.post(twin_url + path, json=body, headers=KEYS[wire]).json()
    used = answer["usageMetadata" if wire == "gemini" else "usage"]
    if wire == "anthropic":
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        return used[names[0]], used[names[1]], used[names[2]]
    if wire == "openai":
        spent, read = used["input_tokens"], used["input_tokens_details"]["cached_tokens"]
    elif wire == "openai_chat":
        spent, read = used["prompt_tokens"], used["prompt_tokens_details"]["cached_tokens"]
    else:
        spent, read = used["promptTokenCount"], used.get("cachedContentTokenCount", 0)
    return spent - read, read, 0


def test_second_turn_reads_the_cache(provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    first, second = ("x" * 399,), ("x" * 399, "y" * 99, "z" * 99)
    for wire in ("openai", "openai_chat", "gemini"):
        assert usage(twin.url, wire, talk(wire, *first)) == (100, 0, 0)
        assert usage(twin.url, wire, talk(wire, *second)) == (50, 100, 0)
    assert usage(twin.url, "anthropic", talk("anthropic", *first)) == (0, 0, 100)
    assert usage(twin.url, "anthropic", talk("anthropic", *second)) == (0, 100, 50)


def test_anthropic_without_cache_control_caches_nothing(provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    body = talk("anthropic", "x" * 399, mark=False)
    assert [usage(twin.url, "anthropic", body) for _ in range(2)] == [(100, 0, 0)] * 2


def test_cache_control_on_the_system_prompt_caches_only_it(provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    system = [{"type": "text", "text": "s" * 400, **MARK}, {"type": "text", "text": "t" * 199}]
    asks = [talk("anthropic", one, mark=False) | {"system": system} for one in ("a" * 99, "b" * 99)]
    found = [usage(twin.url, "anthropic", one) for one in asks]
    assert found == [(75, 0, 100), (75, 100, 0)]


def test_scripted_usage_overrides_counted_usage(provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer = { text = "a", usage = { input = 7 } } }]')
    body = talk("openai", "x" * 399)
    assert [usage(twin.url, "openai", body) for _ in range(2)] == [(7, 0, 0)] * 2


def test_failed_request_is_not_cached(provider_twin: StartTwin) -> None:
    rules = """
    [[rules]]
    when = { attempt = 1 }
    answer.fault = { kind = "status", status = 503 }
    [[rules]]
    answer.text = "a"
    """
    twin = provider_twin(rules)
    body = talk("openai", "x" * 399)
    place = f"{twin.url}/v1/responses"
    assert httpx.post(place, json=body, headers=KEYS["openai"]).status_code == 503
    assert usage(twin.url, "openai", body) == (100, 0, 0)
    assert usage(twin.url, "openai", body) == (0, 100, 0)


def said(*blocks: Any, **more: Any) -> dict[str, Any]:
    """Make blocks of Anthropic's user: texts, with `*` at the end of marked ones, and others."""
    content = [
        {"type": "text", "text": one.rstrip("*"), **(MARK if one.endswith("*") else {})}
        if isinstance(one, str)
        else one
        for one in blocks
    ]
    return {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": content}],
        **more,
    }


A, B, C = "a" * 399, "b" * 399, "c" * 399
TOOL = {"name": "look", "input_schema": {"type": "object"}}


@table(
    ("before", "now", "read", "written"),
    [
        # A longer block is another block, however long the common part is.
        (said(A + "*"), said(A + B + "*"), 0, 199),
        (said(A + "*"), said(A, B + "*"), 100, 100),
        # Other boundaries of the blocks are another prompt.
        (said(A, B + "*"), said(f"{A}\n{B}*"), 0, 200),
        # The cache is read up to the farthest marked end only.
        (said(A, B + "*"), said(A, C + "*"), 0, 200),
        (said(A + "*", B, C + "*"), said(A, B, "d" * 399 + "*"), 100, 200),
        (said(A + "*", B + "*"), said(A, B, C + "*"), 200, 100),
        # Without a mark a request reads nothing, and nothing after its last mark.
        (said(A + "*", B + "*"), said(A, B), 0, 0),
        (said(A + "*", B + "*"), said(A + "*", B), 100, 0),
        # A moved mark leaves the prompt the same.
        (said(A + "*", B), said(A, B + "*"), 100, 100),
        (said(A + "*", tools=[TOOL]), said(A + "*", tools=[TOOL | MARK]), 100, 0),
        # Another image is another prompt, although it has no text.
        (
            said({"type": "image", "source": PICTURE}, A + "*"),
            said({"type": "image", "source": PICTURE}, A + "*"),
            100,
            0,
        ),
        (
            said({"type": "image", "source": PICTURE}, A + "*"),
            said({"type": "image", "source": PICTURE | {"data": "YWJj"}}, A + "*"),
            0,
            100,
        ),
        # One mark for the whole prompt is a mark on its last block.
        (said(A, **MARK), said(A, B, **MARK), 100, 100),
        (said(A, **MARK), said(A + "*", B), 100, 0),
    ],
)
def test_anthropic_cache_reads_whole_marked_blocks(
    provider_twin: StartTwin, before: Any, now: Any, read: int, written: int
) -> None:
    twin = provider_twin(ANY)
    usage(twin.url, "anthropic", before)
    assert usage(twin.url, "anthropic", now)[1:] == (read, written)


def test_cache_evicts_the_oldest_prompts() -> None:
    cache = PromptCache(letters=100)
    for number in range(9):
        cache.remember(asked(f"{number}" * 40))
    read = [cache.look_up(asked(f"{number}" * 40)).read for number in range(9)]
    assert read == [0] * 7 + [10, 10]


def test_cache_evicts_the_oldest_marks() -> None:
    cache = PromptCache(marks=2)
    for number in range(4):
        cache.remember(asked(f"{number}" * 40, [40]))
    read = [cache.look_up(asked(f"{number}" * 40, [40])).read for number in range(4)]
    assert read == [0, 0, 10, 10]
