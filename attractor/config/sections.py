"""Sections of settings: frozen tables that are declared and made without pydantic.

Importing pydantic and making its models takes a third of the time of a short command.
`schema.model_of` makes the model of a section for explaining a mistake and writing a schema.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import FrozenInstanceError
from typing import Annotated, Any, ClassVar, NamedTuple, cast, dataclass_transform

from attractor.base.json import Json


class SecretStr:
    """A text that is never printed, like pydantic's class of this name."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._secret

    def __len__(self) -> int:
        return len(self._secret)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __str__(self) -> str:
        return "**********" if self._secret else ""

    def __repr__(self) -> str:
        return f"SecretStr('{self}')"


class FieldLimits:
    """Limits in an annotation: arguments of pydantic's `Field`, such as `ge=1`."""

    def __init__(self, **options: Any) -> None:
        self.options = options


REQUIRED = object()
"""The default of a field that must be set."""


class Setting(NamedTuple):
    """A field of a section.

    Functions in `Annotated` check a value and return it.
    """

    shape: object
    default: object
    factory: Callable[[], object] | None = None
    description: str | None = None
    limits: Mapping[str, int] = {}

    @property
    def limited_shape(self) -> object:
        """The shape with its limits."""
        return Annotated[self.shape, FieldLimits(**self.limits)] if self.limits else self.shape

    def default_value(self) -> object:
        """Return the value of a setting that no source sets."""
        return self.factory() if self.factory else self.default


def setting(
    *,
    description: str | None = None,
    default: Any = None,
    default_factory: Callable[[], Any] | None = None,
    **limits: int,
) -> Any:
    """Declare a field: limits are `ge`, `gt`, `le` and `min_length`."""
    return Setting(None, default, default_factory, description, limits)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
class Section:
    """Frozen table of settings that refuses unknown keys."""

    settings: ClassVar[Mapping[str, Setting]] = {}

    def __init_subclass__(cls) -> None:
        declared = {
            name: (shape, vars(cls).get(name, REQUIRED))
            for name, shape in cls.__annotations__.items()
        }
        cls.settings = {
            name: one._replace(shape=shape) if isinstance(one, Setting) else Setting(shape, one)
            for name, (shape, one) in declared.items()
        }

    def __init__(self, **values: object) -> None:
        if unknown := values.keys() - self.settings.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        defaults = {
            name: one.default_value() for name, one in self.settings.items() if name not in values
        }
        if missing := [name for name, value in defaults.items() if value is REQUIRED]:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        vars(self).update(defaults, **values)

    def to_record(self) -> dict[str, Json]:
        """Return the values as JSON, without secrets."""
        return {name: write_value(value) for name, value in vars(self).items()}

    def require_consistency(self) -> None:
        """Raise ValueError if values exclude each other."""

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


def write_value(value: object) -> Json:
    """Return the value of a setting as JSON; secrets are not shown."""
    match value:
        case None | bool() | int() | float():
            return value
        case Section():
            return value.to_record()
        case Mapping():
            members = cast("Mapping[object, object]", value)
            return {str(key): write_value(one) for key, one in members.items()}
        case list() | tuple():
            return [write_value(one) for one in cast("Sequence[object]", value)]
        case _:
            return str(value)
