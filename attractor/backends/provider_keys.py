"""Whether a provider's key is set, told without loading the provider where that can be."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.llm.client import AdapterTimeout, ServesOthers, provider_registry

KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "openai_compatible": ("OPENAI_COMPATIBLE_BASE_URL",),
}
"""The variables that let our own providers be asked, any of which will do."""


def is_provider(provider: str) -> bool:
    """Tell whether there is a provider of that name: one of ours, or one that another serves."""
    return provider in provider_registry() or bool(_variables_of(provider))


async def has_key(provider: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a provider's key is set; one that is not ours is asked itself."""
    if names := KEYS.get(provider):
        return any(environ.get(name, "").strip() for name in names)
    if provider not in provider_registry() and _variables_of(provider):
        return any([await _asked(name, environ, provider) for name in _not_ours()])
    return await _asked(provider, environ)


def key_remedy(provider: str) -> str:
    """Return what to do about a key that is not set."""
    names = KEYS.get(provider) or _variables_of(provider)
    return f"set {' or '.join(names)}" if names else f"set the key of {provider}, as its guide says"


async def find_served(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the providers without an adapter of their own that can be asked, by name."""
    found: set[str] = set()
    for part in (provider_registry()[name] for name in _not_ours()):
        adapter = part.from_env(environ, timeout=AdapterTimeout())
        if adapter is None:
            continue
        found |= {*adapter.list_served()} if isinstance(adapter, ServesOthers) else set()
        await adapter.close()
    return sorted(found)


def _variables_of(provider: str) -> Sequence[str]:
    for part in (provider_registry()[name] for name in _not_ours()):
        if issubclass(part, ServesOthers) and (told := part.variables_of(provider)):
            return told
    return ()


def _not_ours() -> Iterator[str]:
    """Yield who may serve other providers; ours do not, and are not loaded for that."""
    return (name for name in provider_registry() if name not in KEYS)


async def _asked(name: str, environ: Mapping[str, str], served: str = "") -> bool:
    """Ask an adapter whether it can be used, or whether it can serve another provider."""
    adapter = provider_registry()[name].from_env(environ, timeout=AdapterTimeout())
    if adapter is None:
        return False
    await adapter.close()
    return not served or (isinstance(adapter, ServesOthers) and adapter.serve(served) is not None)
