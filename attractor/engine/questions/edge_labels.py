"""Reads the labels of edges, with or without an accelerator key."""

from attractor.base.patterns import late_pattern

_PREFIX = late_pattern(r"\A\s*(?:\[(\w+)\]\s*|(\w)\)\s+|(\w)\s+-\s+)(?=\S)")


def normalize_label(label: str) -> str:
    """Return a label as it is compared: in lower case, without accelerator."""
    return without_accelerator(label).lower()


def without_accelerator(label: str) -> str:
    """Return a label without its accelerator: `Yes` for `[Y] Yes`."""
    return _PREFIX.sub("", label, count=1).strip()


def accelerator(label: str) -> str:
    """Return the accelerator of a label: `Y` in `[Y] Yes`, `Y) Yes`, `Y - Yes` or `Yes`."""
    prefix = _PREFIX.match(label)
    key = next(filter(None, prefix.groups())) if prefix else label.strip()[:1]
    return key.upper()
