"""Where the real providers are, for a twin that records them."""

from collections.abc import Mapping, Sequence

from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.twins.errors import RecordingError
from attractor.twins.passage import is_address
from attractor.twins.wire import Wire

_HINT = "write --to https://HOST for every wire, or --to WIRE=https://HOST for one"
# A wire that is not named here is recorded once it is said where its provider is.
_KNOWN = {
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "openai": "https://api.openai.com",
    "openai_chat": "https://api.openai.com",
}


def providers_of(said: Sequence[str], wires: Registry[Wire]) -> Mapping[str, str]:
    """Return where each wire's provider is: as said for it, as said for all, else as is known."""
    places = {name: url for name, url in _KNOWN.items() if name in wires}
    named: dict[str, str] = {}
    for one in said:
        name, equals, url = one.partition("=")
        if not equals or "/" in name:
            places |= dict.fromkeys(wires, one)
        elif name in wires:
            named[name] = url
        else:
            raise UnknownName("wire", name, wires)
    return {name: _checked(url, wires[name]) for name, url in {**places, **named}.items()}


def _checked(url: str, wire: Wire) -> str:
    """Return a provider's address without what the paths of its wire say already."""
    if not is_address(url):
        raise RecordingError(f"{url!r} is no address of a provider", hint=_HINT)
    return url.rstrip("/").removesuffix(wire.base_path).rstrip("/")
