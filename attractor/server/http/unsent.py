"""A form that was sent after the session had ended, and is shown again after signing in.

It goes with the pages of signing in, so that the server stores nothing. Sending it again needs a
person and a value of the new session.
"""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from attractor.base.dataclasses import dataclass

_OF_THE_PAGE = frozenset({"csrf", "account"})
_SECRET = frozenset({"token", "password", "secret"})


@dataclass(frozen=True)
class UnsentForm:
    """The address and the fields of a form, without secrets."""

    address: str
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, address: str, fields: Iterable[tuple[str, str]]) -> "UnsentForm":
        """Return a form without the fields of its page; those with secrets stay, but empty."""
        kept = (
            (name, "" if is_secret(name) else text)
            for name, text in fields
            if not _words(name) & _OF_THE_PAGE
        )
        return cls(address, tuple(kept))

    @classmethod
    def decoded(cls, address: str, text: str) -> "UnsentForm":
        """Return the form whose fields are in a hidden field of another form."""
        return cls.of(address, parse_qsl(text, keep_blank_values=True))

    @property
    def encoded(self) -> str:
        """All fields as one text."""
        return urlencode(self.fields)


def is_secret(name: str) -> bool:
    """Return whether a field has a secret by its name."""
    return bool(_words(name) & _SECRET)


def _words(name: str) -> frozenset[str]:
    # `max_tokens` is no secret.
    return frozenset(re.split(r"[^a-z]+", name.lower()))
