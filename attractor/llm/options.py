"""Adds a provider's own options to a request's body (3.6)."""

from attractor.base.json import Json, JsonObject


def merge_options(body: JsonObject, options: JsonObject) -> dict[str, Json]:
    """Return the body with the options in it: objects and lists grow, all else is replaced."""
    return {**body, **{key: _merged(body.get(key), value) for key, value in options.items()}}


def _merged(ours: Json, theirs: Json) -> Json:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return merge_options(ours, theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        return [*ours, *theirs]
    return theirs
