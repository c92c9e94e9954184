"""What every test may ask for."""

import gc

from hypothesis import settings

pytest_plugins = ["tests.packages"]

# How long one example takes says nothing on a busy machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going over twelve thousand tests again and again."""
    gc.collect()
    gc.freeze()
