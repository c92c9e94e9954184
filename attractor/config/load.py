"""Loads the settings of a project.

Valid settings are read here, without pydantic. Of anything else, this reader is not sure: then
`validation.load_sources` reads all sources again, and explains each mistake.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Annotated, Literal, cast, get_args, get_origin

from attractor.base.dataclasses import changed
from attractor.base.toml import KeyPath, dotted
from attractor.config.configuration import DEFAULT, Configuration, Origin
from attractor.config.errors import ConfigError
from attractor.config.projects import ID_FILE, find_project_root, in_main_checkout
from attractor.config.sections import FieldLimits, SecretStr, Section
from attractor.config.settings import Settings
from attractor.config.sources import Source, source_readers
from attractor.config.user_folders import absolute


def load_configuration(
    *,
    start: Path,
    cwd: Path,
    environ: Mapping[str, str],
    flags: Sequence[str] = (),
    user_file: Path,
) -> Configuration[Settings]:
    """Load the settings of the project that contains a folder or pipeline file.

    In a linked worktree, the runs folder is that of the main checkout, unless the worktree has runs
    of another project.
    """
    root = find_project_root(cwd / start)
    home, user_file = environ.get("HOME", ""), cwd / user_file
    readers = source_readers(root=root, cwd=cwd, environ=environ, flags=flags, user_file=user_file)
    found = _load(readers, root, home)
    own = found.settings.runs_dir
    runs_dir = in_main_checkout(own, root)
    if runs_dir == own or _id_in(own) not in ("", _id_in(runs_dir)):
        return found
    return replace(found, settings=changed(found.settings, runs_dir=runs_dir))


def _load(
    readers: Sequence[Callable[[], Source]], root: Path, home: str
) -> Configuration[Settings]:
    with suppress(ValueError, ConfigError):
        return read_plainly([read() for read in readers], root, home=home)
    # Imported here, because it imports pydantic, and most settings are valid.
    from attractor.config.validation import load_sources

    return load_sources(Settings, readers, root, home=home)


def _id_in(runs_dir: Path) -> str:
    with suppress(OSError, UnicodeError):
        return (runs_dir / ID_FILE).read_text().strip()
    return ""


def read_plainly(sources: Sequence[Source], root: Path, *, home: str) -> Configuration[Settings]:
    """Return the settings, or raise ValueError if a value is not surely valid."""
    found: dict[KeyPath, tuple[object, Source]] = {}
    for source in sources:
        place = partial(absolute, base=source.base, home=home)
        for path, shape, value in _leaves(Settings, source.values, ()):
            is_text = source.is_text and isinstance(value, str)
            valid = _converted(shape, value, place, is_text=is_text)
            found[path] = (valid, source)
    tree: dict[str, object] = {}
    for (*outer, last), (value, _) in found.items():
        node = tree
        for part in outer:
            node = cast(dict[str, object], node.setdefault(str(part), {}))
        # An empty table must not override the values of other sources.
        node.setdefault(str(last), value)
    settings = cast(Settings, _built(Settings, tree, root))

    def find_origins() -> Mapping[str, Origin]:
        return {
            dotted(path): found[path][1].origin_of(path) if path in found else DEFAULT
            for path in _paths(settings, ())
        }

    return Configuration(settings, find_origins, root)


def _leaves(
    shape: object, value: object, path: KeyPath
) -> Iterator[tuple[KeyPath, object, object]]:
    """Yield the path, shape and value of each value that is set; an empty table is one, too."""
    bare, _ = _split(shape)
    section = _section(bare)
    if section is None and get_origin(bare) is not Mapping:
        yield path, shape, value
        return
    if not isinstance(value, Mapping):
        raise ValueError("not a table")
    table = cast(Mapping[str, object], value)
    if not table and path:
        yield path, None, table
    for key, inner in table.items():
        if section and key not in section.settings:
            raise ValueError("unknown key")
        child = section.settings[key].limited_shape if section else get_args(bare)[1]
        yield from _leaves(child, inner, (*path, key))


def _split(shape: object) -> tuple[object, Sequence[object]]:
    """Return a type, and the checks and limits in its annotation."""
    if get_origin(shape) is Annotated:
        bare, *checks = get_args(shape)
        return bare, checks
    return shape, ()


def _section(shape: object) -> type[Section] | None:
    return shape if isinstance(shape, type) and issubclass(shape, Section) else None


def _converted(
    shape: object, value: object, place: Callable[[Path], Path], *, is_text: bool
) -> object:
    """Return the value of a setting; a text of a variable or flag may be a number or a switch."""
    bare, checks = _split(shape)
    arguments = get_args(bare)
    if shape is None:
        return {}
    if NoneType in arguments:
        inner = Annotated[arguments[0], *checks] if checks else arguments[0]
        return _converted(inner, value, place, is_text=is_text)
    if get_origin(bare) is tuple and isinstance(value, list):
        items = cast(list[object], value)
        value = tuple(_converted(arguments[0], one, place, is_text=False) for one in items)
    elif isinstance(value, str):
        value = _of_text(bare, value, place, is_text=is_text)
    elif not any(bare is one and type(value) is one for one in (bool, int)):
        raise ValueError("not surely of this type")
    return _checked(checks, value)


def _of_text(shape: object, text: str, place: Callable[[Path], Path], *, is_text: bool) -> object:
    if shape is Path and text:
        return place(Path(text))
    # Raises ValueError if it is not UTF-8.
    text.encode()
    if shape is str or (get_origin(shape) is Literal and text in get_args(shape)):
        return text
    if shape is SecretStr:
        return SecretStr(text)
    if is_text and shape is bool and text in ("true", "false"):
        return text == "true"
    if is_text and shape is int and re.fullmatch(r"0|[1-9][0-9]{0,14}", text):
        return int(text)
    raise ValueError("not surely of this type")


def _checked(checks: Sequence[object], value: object) -> object:
    for check in checks:
        if callable(check):
            value = check(value)
        elif isinstance(check, FieldLimits):
            _require_limits(value, check.options)
    return value


def _require_limits(value: object, limits: Mapping[str, int]) -> None:
    size = value if isinstance(value, int) else len(cast(str, value))
    least = limits.get("ge", limits.get("min_length", size))
    if not least <= size <= limits.get("le", size) or size <= limits.get("gt", size - 1):
        raise ValueError("beyond a limit")


def _built(shape: object, node: object, root: Path) -> object:
    """Make the sections of a tree of valid values."""
    bare, checks = _split(shape)
    section = _section(bare)
    tree = cast(Mapping[str, object], node)
    if section:
        made = section(
            **{
                name: _built(one.shape, tree[name], root)
                if name in tree
                else _placed(one.default_value(), root)
                for name, one in section.settings.items()
            }
        )
        made.require_consistency()
        return made
    if get_origin(bare) is Mapping:
        (_, of_key), inner = _split(get_args(bare)[0]), get_args(bare)[1]
        table = {_checked(of_key, key): _built(inner, one, root) for key, one in tree.items()}
        return _checked(checks, table)
    return node


def _placed(default: object, root: Path) -> object:
    return root / default if isinstance(default, Path) else default


def _paths(value: object, path: KeyPath) -> Iterator[KeyPath]:
    table = vars(value) if isinstance(value, Section) else value
    if isinstance(table, Mapping) and table:
        for key, inner in cast(Mapping[str, object], table).items():
            yield from _paths(inner, (*path, key))
    else:
        yield path
