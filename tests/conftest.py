"""What every test may ask for."""

from hypothesis import settings

pytest_plugins = ["tests.packages"]

# How long one example takes says nothing on a busy machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
