"""Access to an app with roles: the settings of the operator, and the key of a harness.

The app gets only the hash of the key, because the bodies of an app, which models wrote, can read
its variables and its memory. A key holds for one start, and is written nowhere.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attractor.base.json import canonical_json

# The supervisor and the service of a released app do not need it, and it is slow to import.
if TYPE_CHECKING:
    from attractor.pipeline.project.project import Project

KEY_HASH = "APP_KEY_HASH"
PEOPLE, SIGN_IN = "people.json", "sign_in.json"
"""The files of invitations and sessions, and of mail addresses, beside the records of an app."""

_HOSTS, _USER_HEADER, _USERS = "APP_HOSTS", "APP_USER_HEADER", "APP_USERS"


def access_of(project: "Project") -> dict[str, str]:
    """Return the variables of an app by the settings; empty ones are left out."""
    growth = project.growth
    if growth is None:
        return {}
    variables = {
        _HOSTS: ",".join(growth.hosts),
        _USER_HEADER: growth.proxy_user_header,
        _USERS: canonical_json(dict(growth.users)) if growth.users else "",
    }
    return {name: value for name, value in variables.items() if value}


def access_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of access, among them the hash of the key of the supervisor."""
    names = (_HOSTS, _USER_HEADER, _USERS, KEY_HASH)
    return {name: environ[name] for name in names if name in environ}


def new_key() -> str:
    """Return a key for one start of an app."""
    return secrets.token_urlsafe(32)


def hash_of_key(key: str) -> str:
    """Return what the app gets to know of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_header(key: str) -> Mapping[str, str]:
    """Return the headers with which an app allows every request."""
    return {"authorization": f"Bearer {key}"}
