"""Writes how freely a model is to choose its words, as far as Anthropic lets it be told."""

from collections.abc import Iterator
from typing import NamedTuple

from attractor.base.json import Json
from attractor.llm.providers.anthropic_thinking import model_version
from attractor.llm.request import Request

# From these versions on a model takes one of the two, and none of them.
_ONE_OF_TWO, _NONE = (4, 1), (4, 7)
_USUAL = 1
# What is nearer to the usual than this does not disturb a model that thinks.
_NEARLY_ALL = 0.95
_MEANWHILE = "while the model thinks"


class Sampling(NamedTuple):
    """What is sent, and the names of what is not."""

    fields: dict[str, Json]
    ignored: list[str]


def write_sampling(request: Request, *, thinks: bool) -> Sampling:
    """Return the temperature and the like; what the provider would refuse is left out and named."""
    given = {"temperature": request.temperature, "top_p": request.top_p}
    asked = {name: value for name, value in given.items() if value is not None}
    ignored = dict(_refused(request, asked, thinks=thinks))
    fields: dict[str, Json] = {name: one for name, one in asked.items() if name not in ignored}
    return Sampling(fields, [f"{name} {why}" for name, why in ignored.items()])


def _refused(
    request: Request, asked: dict[str, float], *, thinks: bool
) -> Iterator[tuple[str, str]]:
    version = model_version(request.model) or (0, 0)
    unusual = {name for name, value in asked.items() if value != _USUAL}
    if version >= _NONE:
        yield from ((name, f"for {request.model}") for name in sorted(unusual))
        return
    left = asked.keys() - (unusual & {"temperature"} if thinks else ())
    if "temperature" not in left and "temperature" in asked:
        yield "temperature", _MEANWHILE
    if thinks and asked.get("top_p", _USUAL) < _NEARLY_ALL:
        yield "top_p", _MEANWHILE
    elif version >= _ONE_OF_TWO and len(left) > 1:
        yield "top_p", "beside a temperature"
