"""The models of tables in TOML files that people write, and of sections of the settings."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePosixPath
from types import NoneType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError as ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import core_schema, to_json

from attractor.config.checks import NAME_PATTERN, require_name
from attractor.config.sections import REQUIRED, FieldLimits, SecretStr, Section, write_value

Name = Annotated[
    str,
    AfterValidator(require_name),
    Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"}),
]


def _is_relative(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or str(pure) != path:
        raise ValueError("write a relative path without .. such as data/tasks.json")
    return path


RelativePath = Annotated[str, AfterValidator(_is_relative)]


class StrictTable(BaseModel):
    """A table that is immutable, and whose unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


M = TypeVar("M", bound=BaseModel)


def read_table(model: type[M], table: Mapping[str, object]) -> M:
    """Return the model of a table; no text is converted to a number, and no number to a switch."""
    found = model.model_validate(table)
    # Pydantic's strict JSON mode has the rules of TOML: a list may be a tuple.
    model.model_validate_json(to_json(table, inf_nan_mode="constants"), strict=True)
    return found


Shape = BaseModel | Section
Model = TypeVar("Model", bound=Shape)


@cache
def model_of(table: type[Shape]) -> type[BaseModel]:
    """Return the pydantic model of a section."""
    if issubclass(table, BaseModel):
        return table

    def require_consistency(model: BaseModel) -> BaseModel:
        table.require_consistency(cast(Any, model))
        return model

    fields: dict[str, Any] = {}
    for name, one in table.settings.items():
        options: dict[str, Any] = {"description": one.description, **one.limits}
        if one.factory:
            options["default_factory"] = one.factory
        elif isinstance(one.default, Section):
            options["default"] = model_of(type(one.default))()
        elif isinstance(one.default, SecretStr):
            options["default"] = pydantic.SecretStr(one.default.get_secret_value())
        elif one.default is not REQUIRED:
            options["default"] = one.default
        fields[name] = (_modeled(one.shape), Field(**options))
    consistent: Any = model_validator(mode="after")(require_consistency)
    return create_model(
        table.__name__,
        __base__=StrictTable,
        __doc__=table.__doc__,
        __module__=table.__module__,
        __validators__={"require_consistency": consistent},
        **fields,
    )


def _modeled(shape: Any) -> Any:
    """Return the shape with pydantic's classes."""
    origin: Any = get_origin(shape)
    arguments = get_args(shape)
    if isinstance(shape, type) and issubclass(shape, Section):
        return model_of(shape)
    if shape is SecretStr:
        return pydantic.SecretStr
    if origin is Annotated:
        checks = (
            Field(**one.options) if isinstance(one, FieldLimits) else AfterValidator(one)
            for one in arguments[1:]
        )
        return Annotated[_modeled(arguments[0]), *checks]
    if origin in {tuple, Mapping}:
        return cast(Any, origin)[tuple(map(_modeled, arguments))]
    if NoneType in arguments:
        return _modeled(arguments[0]) | None
    return cast(Any, shape)


SomeSection = TypeVar("SomeSection", bound=Section)


def read_section(section: type[SomeSection], values: object) -> SomeSection:
    """Return the section with these values, or raise ValidationError."""
    return unmodeled(section, model_of(section).model_validate(values))


def unmodeled(shape: Any, value: Any) -> Any:
    """Return a value of a shape, checked by pydantic, with sections for their models."""
    bare: Any = get_args(shape)[0] if get_origin(shape) is Annotated else shape
    if value is None:
        return None
    if NoneType in get_args(bare):
        return unmodeled(get_args(bare)[0], value)
    if bare is SecretStr:
        return SecretStr(value.get_secret_value())
    if isinstance(bare, type) and issubclass(bare, Section):
        return bare(
            **{
                name: unmodeled(one.shape, getattr(value, name))
                for name, one in bare.settings.items()
            }
        )
    if get_origin(bare) is Mapping:
        return {key: unmodeled(get_args(bare)[1], one) for key, one in value.items()}
    return value


class Modeled:
    """Annotates a section in a pydantic model: the section is checked by its own model."""

    def __get_pydantic_core_schema__(
        self, section: type[Section], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check with the model, and return the section."""

        def read(value: object, check: Callable[[object], object]) -> object:
            return value if isinstance(value, section) else unmodeled(section, check(value))

        return core_schema.no_info_wrap_validator_function(
            read,
            handler.generate_schema(model_of(section)),
            serialization=core_schema.plain_serializer_function_ser_schema(write_value),
        )
