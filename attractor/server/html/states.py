"""The look of states: a tone (colour) and a sign (icon); colour is never the only difference."""

from collections.abc import Mapping

from attractor.base.dataclasses import dataclass
from attractor.engine.state.run_state import WaitReason
from attractor.pipeline.status import PAUSED, SUCCEEDED, PlainWord
from attractor.records.diagnosis.needs import DECISION, QUESTION
from attractor.records.summary import NOT_JUDGED


@dataclass(frozen=True)
class StateLook:
    """The tone and the icon of a state."""

    tone: str
    icon: str

    @property
    def favicon(self) -> str:
        """The name of the icon that a page with this state has."""
        return f"favicon-{self.tone}-{self.icon}.svg"


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
    # Runs: the words of `PlainStatus.head`
    **dict.fromkeys((PlainWord.RUNNING, "in flight"), _RUN),
    **dict.fromkeys(("running (queued)", "running (booting)"), _IDLE),
    f"running ({PAUSED})": _PAUSED,
    **{f"running (waits for {reason})": _HELD for reason in WaitReason},
    PlainWord.NEEDS_YOU: _WARN,
    **dict.fromkeys((f"needs you ({QUESTION})", f"needs you ({DECISION})"), _WAIT),
    **dict.fromkeys((SUCCEEDED, "approved"), _OK),
    **dict.fromkeys(("rejected", "failed"), _BAD),
    **dict.fromkeys(("canceled", NOT_JUDGED), _OFF),
    # Stages, trials and rules
    **dict.fromkeys(("done", "success", "go", "satisfied", "pass"), _OK),
    **dict.fromkeys(("fail", "no-go", "retry"), _BAD),
    **dict.fromkeys(("waiting", "waits for a person"), _WAIT),
    **dict.fromkeys(("interrupted", "partial_success", "flaky"), _WARN),
    **dict.fromkeys(("skipped", "parked"), _OFF),
    "needs you (review)": _WAIT,
    "needs you (failed)": _BAD,
    **dict.fromkeys(("unreached", "never reached"), _IDLE),
}


LOOKS = frozenset(_LOOKS.values())

SIGNS = tuple(sorted({look.icon for look in LOOKS}))
"""The icons of all states."""


def state_look(state: str) -> StateLook:
    """Return the look of a state: its first words decide (`needs you (question), no process`)."""
    words = state.split(",")[0].lower()
    return _LOOKS.get(words) or _LOOKS.get(words.split(" (")[0], _IDLE)
