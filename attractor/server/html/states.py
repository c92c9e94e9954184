"""The look of states: a tone (colour) and a sign (icon); colour is never the only difference."""

import re
from collections.abc import Mapping

from attractor.base.dataclasses import dataclass
from attractor.engine.state.run_state import WaitReason


@dataclass(frozen=True)
class StateLook:
    """The tone and the icon of a state."""

    tone: str
    icon: str


_OK = StateLook("ok", "check")
_BAD = StateLook("bad", "cross")
_RUN = StateLook("run", "play")
_WAIT = StateLook("wait", "question")
_WARN = StateLook("warn", "warning")
_IDLE = StateLook("idle", "circle")
_OFF = StateLook("off", "dash")
_PAUSED = StateLook("warn", "pause")
_HELD = StateLook("idle", "pause")

_LOOKS: Mapping[str, StateLook] = {
    # Runs
    **dict.fromkeys(("queued", "booting"), _IDLE),
    **dict.fromkeys(("executing", "evaluating"), _RUN),
    "awaiting_human": _WAIT,
    **dict.fromkeys(("approved", "promoted"), _OK),
    **dict.fromkeys(("rejected", "failed"), _BAD),
    **dict.fromkeys(("canceled", "not evaluated", "not judged"), _OFF),
    **dict.fromkeys(("stopped", "unknown"), _WARN),
    "paused": _PAUSED,
    # Stages, trials and rules
    **dict.fromkeys(("done", "success", "go", "satisfied", "pass"), _OK),
    **dict.fromkeys(("fail", "no-go", "retry"), _BAD),
    **dict.fromkeys(("running", "in flight"), _RUN),
    **dict.fromkeys(("waiting", "waits for a person"), _WAIT),
    **{f"waiting ({reason})": _HELD for reason in WaitReason},
    **dict.fromkeys(("interrupted", "partial_success", "flaky"), _WARN),
    **dict.fromkeys(("skipped", "parked"), _OFF),
    # Actors
    "working": _RUN,
    **dict.fromkeys(("asking", "review"), _WAIT),
    "archived": _OFF,
    **dict.fromkeys(("unreached", "never reached"), _IDLE),
}


SIGNS = tuple(sorted({look.icon for look in _LOOKS.values()}))
"""The icons of all states."""


def state_look(state: str) -> StateLook:
    """Return the look of a state: its first words decide (`awaiting_human (decision), paused`)."""
    words = re.split(r",|:", state)[0].lower()
    return _LOOKS.get(words) or _LOOKS.get(words.split(" (")[0], _IDLE)
