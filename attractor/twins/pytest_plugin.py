"""The pytest fixture `provider_twin`, for anybody's tests of what talks to models.

Load it with `pytest -p attractor.twins.pytest_plugin`, with
`pytest_plugins = ["attractor.twins.pytest_plugin"]` in the topmost `conftest.py`, or with
`from attractor.twins.pytest_plugin import provider_twin` in any. It does not load itself: that
would make every start of pytest slower, where it is used and where it is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from attractor.base.clock import Clock
from attractor.twins.recordings.files import load_recordings
from attractor.twins.recordings.recording import Recordings
from attractor.twins.script.script import Script, load_script, parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin


class StartTwin(Protocol):
    """Starts a twin for a test."""

    def __call__(
        self,
        script: Script | str | Path | Sequence[Script] = (),
        *,
        replay: Path | None = None,
        clock: Clock | None = None,
    ) -> ProviderTwin:
        """Start one for a script, given as one, as TOML or as a file, or for recordings."""
        ...


@pytest.fixture
def provider_twin() -> Iterator[StartTwin]:
    """Start a twin; it ends with the test. A `VirtualClock` makes its waits take no time."""
    with ExitStack() as stack:

        def start(
            script: Script | str | Path | Sequence[Script] = (),
            *,
            replay: Path | None = None,
            clock: Clock | None = None,
        ) -> ProviderTwin:
            recordings = Recordings(load_recordings(replay)) if replay else None
            twin = ProviderTwin(_read(script), recordings=recordings, clock=clock)
            return stack.enter_context(in_background(twin))

        yield start


def _read(script: Script | str | Path | Sequence[Script]) -> Script | Sequence[Script]:
    if isinstance(script, Path):
        return load_script(script)
    return parse_script(script) if isinstance(script, str) else script
