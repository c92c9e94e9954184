"""The limits of entities in a specification: read, checked, and the records that break them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from attractor.base.amounts import number_of
from attractor.base.json import Json
from attractor.growth.conversion import convert, fits
from attractor.growth.errors import InvalidSpec, UnknownSpecNode
from attractor.growth.limit_rules import Limit, breaking
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode, slug
from attractor.growth.specification.rights import is_restricted

RULES = ("at_most", "unique", "between", "not_before", "one_of")


def field_in(graph: SpecGraph, entity: str, words: str) -> SpecNode:
    """Return the field of an entity with an id or a name, or raise UnknownSpecNode."""
    fields = graph.children(entity, "field")
    found = [one for one in fields if words in (one.id, one.name)]
    if not found and slug(words):
        found = [one for one in fields if slug(words) in (_key(one), slug(one.name))]
    if len(found) == 1:
        return found[0]
    hint = f"fields: {', '.join(_key(one) for one in fields) or 'none'}"
    raise UnknownSpecNode(f"{entity} has no field {words!r}", hint=hint)


def read_limit(graph: SpecGraph, node: SpecNode) -> Limit:
    """Return a limit, or raise InvalidSpec if it makes no sense."""
    entity = graph.parents[node.id]
    given = [one for one in RULES if node.fields.get(one) not in (None, "false")]
    if len(given) != 1:
        raise _invalid(
            node, f"has {' and '.join(given) or 'no rule'}", f"write one of {', '.join(RULES)}"
        )
    fields = [graph[one] for one in node.targets(Relation.LIMITS)]
    if lost := [one.id for one in fields if graph.parents[one.id] != entity]:
        raise _invalid(node, f"{lost[0]} is no field of {entity}", "name fields of its entity")
    if not fields and given[0] != "at_most":
        raise _invalid(node, f"{given[0]} needs fields", "name the fields in `of`")
    limit = Limit(node.id, node.name, given[0], tuple(_key(one) for one in fields))
    if limit.counts:
        _refuse_restricted(graph, node, fields)
    value = node.fields[limit.rule]
    types = {str(one.fields.get("type", "text")) for one in fields}
    match limit.rule:
        case "at_most":
            return limit._replace(values=(_most(node, value),))
        case "unique":
            return limit
        case "not_before":
            return _not_before(graph, node, limit, types)
        case _:
            number = 2 if limit.rule == "between" else 0
            return limit._replace(values=_values(node, cast("list[Json]", value), types, number))


def _refuse_restricted(graph: SpecGraph, node: SpecNode, fields: Sequence[SpecNode]) -> None:
    """Refuse a limit that compares values of records with those of a field that only some see."""
    if hidden := [one.id for one in fields if is_restricted(graph, one.id)]:
        fault = f"{hidden[0]} is seen by some roles only"
        raise _invalid(node, fault, "a refusal would tell others which values there are")


def _most(node: SpecNode, value: Json) -> int:
    most = convert(value, "integer")
    if not isinstance(most, int) or most < 0:
        raise _invalid(node, f"at_most {value!r} is no number", "write one such as 5")
    return most


def _not_before(graph: SpecGraph, node: SpecNode, limit: Limit, types: set[str]) -> Limit:
    value = str(node.fields[limit.rule])
    if value == "today" and types == {"date"}:
        return limit
    try:
        other = field_in(graph, graph.parents[node.id], value)
    except UnknownSpecNode:
        return limit._replace(values=_values(node, [value], types, 1))
    if types != {str(other.fields.get("type", "text"))}:
        raise _invalid(node, f"{_key(other)} has another type", "compare fields of one type")
    _refuse_restricted(graph, node, [*(graph[one] for one in node.targets(Relation.LIMITS)), other])
    return limit._replace(other=_key(other))


def broken_limits(
    before: SpecGraph | None,
    after: SpecGraph,
    state: Mapping[str, Sequence[Mapping[str, Any]]],
    today: str,
    *,
    name: Callable[[str], str] = str,
) -> Iterator[str]:
    """Yield how many records break each limit that is new or changed, with three of them.

    `name` returns the words for a record, `entity/id`.
    """
    for node in after.of_kind("limit"):
        entity, limit = after.parents[node.id], read_limit(after, node)
        old = before.get(node.id) if before else None
        if before and old and old.kind == "limit" and read_limit(before, old) == limit:
            continue
        if ids := sorted(breaking(limit, state.get(entity, ()), today)):
            three = ", ".join(dict.fromkeys(name(f"{entity}/{id_}") for id_ in ids[:3]))
            kept = "nothing is dropped, it holds for new and changed records"
            number = number_of(len(ids), "record")
            yield f"limit {limit.id}: broken by {number}, such as {three}: {kept}"


def _values(
    node: SpecNode, written: Sequence[Json], types: set[str], number: int
) -> tuple[Json, ...]:
    """Return values as the type of the fields that they limit."""
    type_ = next(iter(types))
    found = tuple(convert(one, type_) for one in written)
    if len(types) > 1:
        raise _invalid(node, "its fields have different types", "write a limit for each type")
    if (number and len(found) != number) or not found:
        raise _invalid(node, f"has {len(found)} values", f"write {number or 'some'}")
    if number and type_ not in ("integer", "number", "date"):
        raise _invalid(node, f"a {type_} has no order", "limit a number or a date")
    for one in found:
        if one is None or not fits(one, type_):
            hint = f"write a {type_}" + (", or a field of the entity" if number == 1 else "")
            raise _invalid(node, f"{one!r} is no {type_}", hint)
    if number == 2 and cast("Any", found[0]) > found[1]:
        raise _invalid(node, "its first value is the larger one", "write the smaller one first")
    return found


def _key(field: SpecNode) -> str:
    return field.id.partition(".")[2]


def _invalid(node: SpecNode, fault: str, hint: str) -> InvalidSpec:
    return InvalidSpec(f"limit {node.id}: {fault}", hint=hint)
