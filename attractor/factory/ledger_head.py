"""Where the ledger ended when it was last written, sealed and kept beside it.

Lines cut off at the end leave a chain that looks whole; only a head kept elsewhere tells. The head
is written after the line, so a crash between the two leaves a head that is a little behind, never
one that is ahead of a whole ledger.
"""

import hmac
from pathlib import Path

from attractor.base.errors import Broken, NotCanonical
from attractor.base.files import file_trouble, write_whole
from attractor.base.hash_chain import Head
from attractor.base.json import Json, canonical_json, parse_json

OWNER_ONLY = 0o600


def write_head(file: Path, head: Head, key: bytes) -> None:
    """Put a head in place whole, with a seal that only the key can make."""
    told: dict[str, Json] = {"seq": head.seq, "hash": head.hash, "seal": _seal(head, key)}
    write_whole(file, canonical_json(told), mode=OWNER_ONLY)


def read_head(file: Path, key: bytes | None) -> Head:
    """Read a head back and check its seal, when there is a key to check it with."""
    try:
        told = parse_json(file.read_bytes())
    except FileNotFoundError as cause:
        raise _broken(file, "is gone, so nobody can say where the ledger ended") from cause
    except OSError as cause:
        raise file_trouble("read", file, cause) from cause
    except NotCanonical as cause:
        raise _broken(file, "is not what was written") from cause
    match told:
        case {"seq": int(seq), "hash": str(digest), "seal": str(seal)}:
            head = Head(seq, digest)
        case _:
            raise _broken(file, "is not what was written")
    if key is not None and not hmac.compare_digest(seal, _seal(head, key)):
        raise _broken(file, "was changed, or sealed with another key")
    return head


def _seal(head: Head, key: bytes) -> str:
    words = canonical_json({"ledger_head": {"seq": head.seq, "hash": head.hash}})
    return hmac.digest(key, words.encode(), "sha256").hex()


def _broken(file: Path, what: str) -> Broken:
    return Broken(f"{file} {what}", hint="bring it and the ledger beside it back from a copy")
