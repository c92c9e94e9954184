"""What tests of service twins may ask for."""

from attractor.twins.services.pytest_plugin import service_twin

__all__ = ["service_twin"]
