"""Generates answers of every kind, as any provider might send them."""

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from attractor.base.json import Json
from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    FinishReason,
    ImageData,
    Message,
    ProviderData,
    RateLimitInfo,
    Response,
    Role,
    ThinkingData,
    ToolCallData,
    ToolResultData,
    Usage,
    Warning,
)

texts = st.text(max_size=20)
maybe = st.none() | texts
counts = st.integers(0, 2**40)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
json_values: st.SearchStrategy[Json] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
json_objects = st.dictionaries(texts | st.just("is"), json_values, max_size=3)
own = st.builds(ProviderData, texts, json_objects)
media = st.binary(max_size=30)
thoughts = st.builds(ThinkingData, texts, maybe, st.booleans())
calls = st.builds(ToolCallData, texts, texts, texts | json_objects)
results = st.builds(
    ToolResultData,
    texts,
    texts | json_objects | st.lists(json_values, max_size=3),
    st.booleans(),
    st.none() | media,
    maybe,
)


def _parts(
    kind: ContentKind, field: str, values: st.SearchStrategy[Any]
) -> st.SearchStrategy[ContentPart]:
    filled: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {field: values, "provider_data": st.none() | own}
    )
    return filled.map(lambda fields: ContentPart(kind, **fields))


parts = st.one_of(
    _parts(ContentKind.TEXT, "text", texts),
    _parts(ContentKind.IMAGE, "image", st.builds(ImageData, data=media, media_type=maybe)),
    _parts(
        ContentKind.IMAGE, "image", st.builds(ImageData, url=texts.map("./".__add__), detail=maybe)
    ),
    _parts(ContentKind.AUDIO, "audio", st.builds(AudioData, data=media)),
    _parts(ContentKind.DOCUMENT, "document", st.builds(DocumentData, data=media, file_name=maybe)),
    _parts(ContentKind.TOOL_CALL, "tool_call", calls),
    _parts(ContentKind.TOOL_RESULT, "tool_result", results),
    _parts(ContentKind.THINKING, "thinking", thoughts),
    _parts(ContentKind.REDACTED_THINKING, "thinking", thoughts),
    st.builds(ContentPart, st.just("web_search_call"), provider_data=own),
)
contents = st.lists(parts, max_size=4) | st.lists(parts, max_size=4).map(tuple)
# A local time may be ambiguous when clocks are set back; UTC never is.
moments = st.datetimes(timezones=st.just(UTC)).map(lambda one: one.replace(fold=0))
spans = st.floats(0, 1e6)
limits = st.builds(
    RateLimitInfo,
    st.none() | counts,
    reset_at=st.none() | moments,
    reset_after=st.none() | spans,
)
answers = st.builds(
    Response,
    id=texts,
    model=texts,
    provider=texts,
    message=st.builds(Message, st.sampled_from(Role), contents, maybe, maybe),
    finish_reason=st.builds(FinishReason, st.sampled_from(["stop", "length", "other"]), maybe),
    usage=st.builds(Usage, counts, counts, st.none() | counts, raw=st.none() | json_objects),
    raw=st.none() | json_objects,
    warnings=st.lists(st.builds(Warning, texts, maybe), max_size=2),
    rate_limit=st.none() | limits,
)
