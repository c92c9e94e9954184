"""Loads the configuration: defaults, the user's file, the project's, variables, flags.

The later wins, value by value. Every mistake in every source is found, even in a value that a
later source would win over; they are raised together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError

from attractor.base.toml import KeyPath, dotted
from attractor.config.checking import Found, check
from attractor.config.configuration import Configuration, Model
from attractor.config.errors import ConfigError, raise_mistakes
from attractor.config.explanations import explain
from attractor.config.origins import DEFAULT, Origin, OriginKind
from attractor.config.places import shown
from attractor.config.projects import PROJECT_FILE, find_project_root
from attractor.config.settings import Settings
from attractor.config.shapes import default_values, leaves
from attractor.config.sources import Source, read_file, read_flag, read_variable, set_variables


def load_configuration(
    *,
    start: Path,
    cwd: Path,
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
    user_file: Path,
) -> Configuration[Settings]:
    """Load the settings of the project that a folder or a pipeline's file belongs to."""
    root = find_project_root(cwd / start)
    return load(
        Settings, root=root, cwd=cwd, environ=environ, flags=flags, user_file=cwd / user_file
    )


def load(
    model: type[Model],
    *,
    root: Path,
    cwd: Path,
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
    user_file: Path,
) -> Configuration[Model]:
    """Load any model of settings; the folders and the user's file are absolute paths."""
    files = {OriginKind.USER: user_file, OriginKind.PROJECT: root / PROJECT_FILE}
    readers: list[Callable[[], Source]] = [
        partial(Source, DEFAULT, root, default_values(model)),
        *(
            partial(read_file, file, Origin(kind, shown(file, cwd=cwd)))
            for kind, file in files.items()
        ),
        *(partial(read_variable, name, value, cwd=cwd) for name, value in set_variables(environ)),
        *(partial(read_flag, flag, cwd=cwd) for flag in flags),
    ]
    found = _merged(model, readers, home=environ.get("HOME", ""))
    settings = _built(model, found)
    return Configuration(settings, _origins(settings, found), root)


def _merged(
    model: type[BaseModel], readers: Iterable[Callable[[], Source]], *, home: str
) -> dict[KeyPath, Found]:
    merged: dict[KeyPath, Found] = {}
    mistakes: list[ConfigError] = []
    for read in readers:
        try:
            found, wrong = check(read(), model, home=home)
        except ConfigError as mistake:
            found, wrong = [], [mistake]
        merged |= {one.path: one for one in found}
        mistakes += wrong
    raise_mistakes(mistakes)
    return merged


def _built(model: type[Model], found: Mapping[KeyPath, Found]) -> Model:
    tree = _tree(found.values())
    try:
        return model.model_validate(tree)
    except ValidationError as cause:
        near = partial(_nearest_origin, found)
        raise_mistakes(list(explain(cause, model=model, path=(), value=tree, origin_of=near)))
        raise


def _tree(found: Iterable[Found]) -> dict[str | int, object]:
    tree: dict[str | int, object] = {}
    for one in found:
        *outer, last = one.path
        node = tree
        for part in outer:
            node = cast(dict[str | int, object], node.setdefault(part, {}))
        # An empty table, which is a leaf as well, takes nothing away from what others put in it.
        node.setdefault(last, one.value)
    return tree


def _nearest_origin(found: Mapping[KeyPath, Found], path: KeyPath) -> Origin | None:
    """Return where a path is set, else where something beside it in the same table is."""
    lengths = range(len(path), 0, -1)
    set_near = (
        one.origin
        for length in lengths
        for one in found.values()
        if one.path[:length] == path[:length] and one.origin != DEFAULT
    )
    return next(set_near, None)


def _origins(settings: BaseModel, found: Mapping[KeyPath, Found]) -> dict[str, Origin]:
    paths = (leaf.path for leaf in leaves(type(settings), settings))
    return {dotted(path): found[path].origin if path in found else DEFAULT for path in paths}
