"""Every test of the adapters talks to a twin over real HTTP."""

from attractor.twins.pytest_plugin import provider_twin

__all__ = ["provider_twin"]
