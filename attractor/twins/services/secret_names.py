"""Which names of members, fields and parts of addresses say that what they hold is secret."""

import re

# Anywhere in a name, whatever the case and whatever stands between the letters.
_WORDS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "credential", "apikey"),
    *("privatekey", "accesskey", "signingkey", "encryptionkey", "authorization", "signature"),
    *("assertion", "session", "cookie"),
)
_TOKEN = "token"
# Such a token is a place in a list, which the next request has to name.
_OF_PAGES = ("page", "next", "continuation")
# These are also parts of other words, as in `design`.
_WHOLE = frozenset({"sig", "jwt", "otp", "pwd", "auth"})
_NO_LETTERS = re.compile(r"[^a-z]")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Tell whether a name says so, such as `secretKey`, `new_password` or `X-Amz-Signature`."""
    letters = _NO_LETTERS.sub("", name.lower())
    if any(word in letters for word in _WORDS):
        return True
    if _TOKEN in letters:
        return not any(word in letters for word in _OF_PAGES)
    return any(part.lower() in _WHOLE for part in _PART.findall(name))
