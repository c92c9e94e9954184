"""Whether a provider's key is set, told without loading the provider where that can be."""

from collections.abc import Mapping

from attractor.llm.adapter import AdapterTimeout
from attractor.llm.client import provider_registry

KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
}
"""The variables that hold the keys of our own providers, any of which will do."""


async def has_key(provider: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a provider's key is set; one that is not ours is asked itself."""
    if names := KEYS.get(provider):
        return any(environ.get(name, "").strip() for name in names)
    adapter = provider_registry()[provider].from_env(environ, timeout=AdapterTimeout())
    if adapter is None:
        return False
    await adapter.close()
    return True


def key_remedy(provider: str) -> str:
    """Return what to do about a key that is not set."""
    names = KEYS.get(provider)
    return f"set {' or '.join(names)}" if names else f"set the key of {provider}, as its guide says"
