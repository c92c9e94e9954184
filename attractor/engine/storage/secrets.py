"""Replaces the values of secrets in everything that is written."""

import json
import re
from collections.abc import Collection, Mapping

from attractor.base.json import Json, JsonObject
from attractor.base.patterns import late_pattern
from attractor.base.secret_search import SHORTEST, TOO_SHORT, SecretSearch, replace_spans

PLACEHOLDER = "***"

QUOTE = b"| "
"""The prefix of each line in a patch that contained secrets, so that git rejects the patch."""

_WORDS = """
success partial_success retry fail skipped retryable terminal verdict pipeline
full truncate compact summary:low summary:medium summary:high
queued booting executing waiting awaiting_human evaluating approved rejected failed canceled
message limit slots host timer overlap
stage decision given timeout answer pause resume cancel steer
yes_no multiple_choice freeform confirmation approval repeat done
condition preferred_label suggested_next_id weight into_conditional retry_target
fallback_retry_target goal_gate on_failure join no_edges no_route
isolated copy in-place none bubblewrap landlock agent simulate
claude codex gemini opencode acp command
console park queue auto_approve callback recording replay
max_cost_usd max_tokens max_duration
"""

RECORD_WORDS = frozenset(_WORDS.split())
"""The values in records that Attractor reads again. A text that is exactly one of these words is
not replaced, even if a secret has the same value.
"""

_encode = json.JSONEncoder(ensure_ascii=False).encode
_NAME = late_pattern(r".*_(?:KEY|TOKEN|SECRET|PASSWORD)", re.IGNORECASE)
# The keys of records. Other keys come from agents and services.
_RECORD_KEY = late_pattern(r"[a-z_.]+")
_LINE_MARK = late_pattern(r"^[+-]", re.MULTILINE)
_UNUSABLE = late_pattern(
    rf".{{1,{TOO_SHORT - 1}}}|\d{{1,{SHORTEST - 1}}}|\d{{4}}-\d\d(-\d\d)?", re.S
)
_COMMON = late_pattern(rf".{{1,{SHORTEST - 1}}}|[A-Za-z]{{1,15}}", re.S)


class Redactor:
    """Replaces secrets in texts and JSON, and also unpaired surrogates, which no file can contain.

    The keys of records are never replaced, and no value that is one of the `RECORD_WORDS`.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._search = SecretSearch(secret for secret in secrets if not is_unusable(secret))

    @classmethod
    def of_environment(
        cls,
        environ: Mapping[str, str],
        *,
        names: Collection[str] = (),
        more: Collection[str] = (),
    ) -> "Redactor":
        """Make a redactor from environment variables whose names indicate secrets, and from
        additional names and values.
        """
        named = [value for name, value in environ.items() if is_secret_name(name) or name in names]
        return cls([*named, *more])

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
        return self._search.replace(text, PLACEHOLDER)

    def patch(self, text: str) -> str:
        """Return a patch without secrets, also without those that are split over lines."""
        text = self.text(text)
        return replace_spans(text, self._search.spans(_LINE_MARK.sub(" ", text)), PLACEHOLDER)

    def json(self, value: Json) -> Json:
        """Return a JSON value without secrets."""
        if isinstance(value, str):
            return value if value in RECORD_WORDS else self.text(value)
        if isinstance(value, dict):
            return self.members(value)
        return [self.json(item) for item in value] if isinstance(value, list) else value

    def members(self, record: JsonObject) -> dict[str, Json]:
        """Return a JSON object without secrets, as a deep copy."""
        return {self._key(key): self.json(value) for key, value in record.items()}

    def clean(self, record: dict[str, Json]) -> dict[str, Json]:
        """Return a JSON object without secrets; an object that contains no secret is not copied."""
        return record if self._is_clean(record) else self.members(record)

    def finds(self, text: str) -> bool:
        """Return whether a text contains a secret."""
        return bool(self._search.spans(text))

    def finds_in(self, written: str) -> bool:
        """Return whether JSON text may contain a secret; if not, redaction changes nothing."""
        return self._search.may_find(written)

    def _key(self, key: str) -> str:
        return key if _RECORD_KEY.fullmatch(key) else self.text(key)

    def _is_clean(self, record: JsonObject) -> bool:
        try:
            written = _encode(record)
            written.encode()
        except (TypeError, ValueError, RecursionError):
            return False
        return not self.finds_in(written)


def is_secret_name(name: str) -> bool:
    """Return whether the name of a variable indicates a secret."""
    return _NAME.fullmatch(name) is not None


def is_unusable(secret: str) -> bool:
    """Return whether a secret cannot be redacted: a few characters, a short number, or a date,
    which occur in most records.
    """
    return _UNUSABLE.fullmatch(secret.strip()) is not None


def is_common(secret: str) -> bool:
    """Return whether other texts may contain the secret: it is short, or an ordinary word."""
    return _COMMON.fullmatch(secret.strip()) is not None
