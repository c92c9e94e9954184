"""Fixtures for tests of service twins."""

from attractor.twins.services.pytest_plugin import service_twin

__all__ = ["service_twin"]
