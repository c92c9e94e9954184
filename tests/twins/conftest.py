"""What tests of twins may ask for."""

from attractor.twins.pytest_plugin import provider_twin

__all__ = ["provider_twin"]
