"""Fixtures for tests of twins."""

from attractor.twins.pytest_plugin import provider_twin

__all__ = ["provider_twin"]
