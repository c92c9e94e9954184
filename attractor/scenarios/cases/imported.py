"""Drafts cases from the plain assertions of unit tests, which are read and not executed."""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, cast

from pydantic import ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.scenarios.cases.cases import CallCase
from attractor.scenarios.cases.driver import write_value

_PLACES, _RELATIVE = 7, 1e-6
_CONSTANTS = {"assertFalse": False, "assertIsNone": None}
_EQUAL = ("assertEqual", "assertIs", "assertListEqual", "assertDictEqual", "assertTupleEqual")
_ASSERTION = re.compile(r"assert |(with )?(self\.assert|pytest\.raises)")
_PREPARE = ("setUp", "setUpClass", "asyncSetUp", "setup_method", "setup_class")
_RAISES = ("assertRaises", "assertRaisesRegex", "raises")


class _NotTaken(Exception):
    """This statement becomes no case."""


@dataclass(frozen=True)
class ImportedCases:
    """The cases of each module as JSON, and what was not taken: lines with reasons."""

    cases: Mapping[str, Sequence[JsonObject]]
    left: Sequence[tuple[int, str]]


@dataclass
class _UnitTest:
    """A test that is read: its names, the calls that it made, and the cases so far."""

    imports: Mapping[str, str]
    values: dict[str, object]
    cases: list[tuple[str, JsonObject]]
    left: list[tuple[int, str]]
    steps: list[JsonObject] = field(default_factory=list[JsonObject])
    objects: set[str] = field(default_factory=set[str])
    module: str = ""

    def read(self, statements: Sequence[ast.stmt]) -> bool:
        """Read statements up to one after which it is not known what the test did."""
        for one in statements:
            before = len(self.steps)
            try:
                self._read(one)
            except _NotTaken as reason:
                del self.steps[before:]
                is_known = bool(_ASSERTION.match(ast.unparse(one))) and not self.steps
                rest = "" if is_known or one is statements[-1] else "; the rest of the test too"
                self.left.append((one.lineno, f"{reason}{rest}"))
                if not is_known:
                    return False
        return True

    def _read(self, one: ast.stmt) -> None:
        match one:
            case ast.Pass() | ast.Expr(ast.Constant()):
                return
            case ast.Assign([ast.Name(name)], value):
                self._bind(name, value)
            case ast.Assert(test):
                self._assert(test)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name("self"), name), args, keywords)):
                self._unittest(name, args, {str(key.arg): key.value for key in keywords})
            case ast.Expr(ast.Call() as call):
                self.steps.append(self._step(call))
            case _:
                self._block(one)

    def _block(self, one: ast.stmt) -> None:
        match one:
            case ast.With([ast.withitem(ast.Call(function, args, keywords))], body):
                more = {str(key.arg): key.value for key in keywords}
                self._with(_last(function), args, more, body)
            case ast.For(target, items, body, []):
                for item in self._items(items):
                    self._unpack(target, item)
                    self._inside(body)
            case _:
                raise _NotTaken(f"{type(one).__name__.lower()} is no plain assertion")

    def _inside(self, body: Sequence[ast.stmt]) -> None:
        if not self.read(body):
            raise _NotTaken("a statement in it is not taken")

    def _bind(self, name: str, value: ast.expr) -> None:
        self.values.pop(name, None)
        self.objects.discard(name)
        if isinstance(value, ast.Call):
            self.steps.append({**self._step(value), "as": name})
            self.objects.add(name)
        else:
            self.values[name] = self._literal(value)

    def _items(self, items: ast.expr) -> Sequence[object]:
        found = self._literal(items)
        if not isinstance(found, list | tuple):
            raise _NotTaken("the loop is over no list of literals")
        return cast("Sequence[object]", found)

    def _unpack(self, target: ast.expr, item: object) -> None:
        match target, item:
            case ast.Name(name), _:
                self.values[name] = item
            case ast.Tuple(names), tuple() | list() if len(names) == len(cast(Any, item)):
                for name, part in zip(names, cast("Sequence[object]", item), strict=True):
                    self._unpack(name, part)
            case _:
                raise _NotTaken("the loop binds no plain names")

    def _with(
        self,
        name: str,
        args: Sequence[ast.expr],
        more: Mapping[str, ast.expr],
        body: list[ast.stmt],
    ) -> None:
        if name == "subTest":
            self._inside(body)
        elif name in _RAISES and len(body) == 1 and isinstance(body[0], ast.Expr):
            pattern = more.get("match", args[1] if len(args) > 1 else None)
            self._raises(args[0], body[0].value, pattern)
        else:
            raise _NotTaken(f"with {name} is no plain assertion")

    def _unittest(self, name: str, args: Sequence[ast.expr], more: Mapping[str, ast.expr]) -> None:
        if name == "assertTrue" and args:
            self._assert(args[0])
        elif name in _CONSTANTS and args:
            self._case(args[0], equals=_CONSTANTS[name])
        elif name in _EQUAL and len(args) > 1:
            self._equal(args[0], args[1])
        elif name == "assertAlmostEqual" and len(args) > 1:
            places = self._literal(more["places"]) if "places" in more else _PLACES
            within = (
                self._literal(more["delta"]) if "delta" in more else 0.5 * 10 ** -cast(int, places)
            )
            self._close(args[0], args[1], within)
        elif name in _RAISES and len(args) > 1 and name != "assertRaisesRegex":
            keywords = [ast.keyword(key, value) for key, value in more.items()]
            self._raises(args[0], ast.Call(args[1], [*args[2:]], keywords), None)
        else:
            raise _NotTaken(f"{name} has no case")

    def _assert(self, test: ast.expr) -> None:
        match test:
            case ast.Compare(left, [ast.Eq() | ast.Is()], [right]):
                approx = next((one for one in (left, right) if _is_approx(one)), None)
                if isinstance(approx, ast.Call):
                    more = {str(key.arg): self._literal(key.value) for key in approx.keywords}
                    within = more.get("abs", more.get("rel", _RELATIVE))
                    self._close(right if approx is left else left, approx.args[0], within)
                else:
                    self._equal(left, right)
            case ast.UnaryOp(ast.Not(), operand):
                self._case(operand, equals=False)
            case ast.Call() | ast.Attribute() | ast.Name():
                self._case(test, equals=True)
            case _:
                raise _NotTaken(f"{ast.unparse(test)} compares in another way")

    def _equal(self, one: ast.expr, other: ast.expr) -> None:
        actual, expected = (other, one) if self._is_literal(one) else (one, other)
        self._case(actual, equals=_written(self._literal(expected)))

    def _close(self, one: ast.expr, other: ast.expr, within: object) -> None:
        actual, expected = (other, one) if self._is_literal(one) else (one, other)
        self._case(actual, close=self._literal(expected), within=within)

    def _raises(self, fault: ast.expr, call: ast.expr, pattern: ast.expr | None) -> None:
        expected = {"raises": _last(fault)}
        self._case(call, **expected, **({"matches": self._literal(pattern)} if pattern else {}))

    def _case(self, actual: ast.expr, **expected: object) -> None:
        """Add a case: all that the test did, and the result of its last call."""
        is_name = isinstance(actual, ast.Name) and actual.id in self.objects
        if is_name and self.steps[-1].get("as") != cast(ast.Name, actual).id:
            raise _NotTaken(f"{ast.unparse(actual)} is not the last result")
        if not is_name:
            self.steps.append(self._step(actual))
        done = self.steps[0] if len(self.steps) == 1 else {"do": [*self.steps]}
        case = cast(JsonObject, {**{k: v for k, v in done.items() if k != "as"}, **expected})
        try:
            CallCase.model_validate(json.loads(json.dumps(case)))
        except (ValidationError, TypeError) as error:
            raise _NotTaken("it has a value that no case can have") from error
        self.cases.append((self.module, case))
        if not self.objects:
            # Calls of functions: each is a case of its own.
            self.steps, self.module = [], ""

    def _step(self, actual: ast.expr) -> JsonObject:
        call = actual if isinstance(actual, ast.Call) else None
        first, *rest = ast.unparse(call.func if call else actual).split(".")
        kind = "call" if call else "get"
        step: JsonObject = {}
        if first in self.objects:
            step |= {kind: ".".join(rest), "on": first}
        else:
            known = self.imports.get(first)
            if known is None:
                raise _NotTaken(f"{ast.unparse(actual)} is no call of the module")
            module, _, name = known.partition(":")
            while rest and not name and f"{module}.{rest[0]}" in self.imports:
                module = f"{module}.{rest.pop(0)}"
            if self.module not in ("", module):
                raise _NotTaken(f"it uses {self.module} and {module}")
            self.module = module
            step[kind] = ".".join(filter(None, (name, *rest)))
        if call and call.args:
            step["args"] = [self._argument(one) for one in call.args]
        if call and call.keywords:
            step["kwargs"] = {str(key.arg): self._argument(key.value) for key in call.keywords}
        return step

    def _argument(self, one: ast.expr) -> Json:
        if isinstance(one, ast.Name) and one.id in self.objects:
            return {"$": "object", "of": one.id}
        return _written(self._literal(one))

    def _is_literal(self, one: ast.expr) -> bool:
        try:
            self._literal(one)
        except _NotTaken:
            return False
        return True

    def _literal(self, one: ast.expr) -> object:
        """Return the value of a literal, in which names stand for literals."""
        try:
            if isinstance(one, ast.Name):
                return self.values[one.id]
            if isinstance(one, ast.Tuple | ast.List):
                found = [self._literal(part) for part in one.elts]
                return tuple(found) if isinstance(one, ast.Tuple) else found
            if isinstance(one, ast.Dict) and None not in one.keys:
                keys = cast("list[ast.expr]", one.keys)
                pairs = zip(map(self._literal, keys), map(self._literal, one.values), strict=True)
                return dict(pairs)
            return ast.literal_eval(one)
        except (KeyError, ValueError, TypeError, SyntaxError, RecursionError) as error:
            raise _NotTaken(f"{ast.unparse(one)} is no literal") from error


def _written(value: object) -> Json:
    written = cast("Json", write_value(value))
    if '"$": "object"' in json.dumps(written):
        raise _NotTaken(f"{value!r} is no value of a case")
    return written


def _last(name: ast.expr) -> str:
    return ast.unparse(name).rpartition(".")[2]


def _is_approx(one: ast.expr) -> bool:
    return isinstance(one, ast.Call) and _last(one.func) == "approx" and bool(one.args)


def _imports(tree: ast.Module) -> dict[str, str]:
    """Return the module and name, as `shop:price`, that each imported name stands for."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name] = f"{one.name}:"
                if not one.asname:
                    first = one.name.partition(".")[0]
                    found.setdefault(first, f"{first}:")
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {one.asname or one.name: f"{node.module}:{one.name}" for one in node.names}
    known = sys.stdlib_module_names | {"pytest"}
    return {name: one for name, one in found.items() if re.split("[.:]", one)[0] not in known}


def _tests(
    tree: ast.Module, has_functions: bool
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Yield each test, and why it is not read, or ""."""
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node] * has_functions
        functions = [
            one for one in inside if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        prepared = next((one.name for one in functions if one.name in _PREPARE), "")
        for one in functions:
            if one.name.startswith("test"):
                decorated = (
                    f"it is decorated by {ast.unparse(one.decorator_list[0])}"
                    if (one.decorator_list)
                    else ""
                )
                asynchronous = "it is asynchronous" * isinstance(one, ast.AsyncFunctionDef)
                yield one, decorated or asynchronous or (prepared and f"its class has {prepared}")


def import_cases(text: str, *, has_functions: bool) -> ImportedCases:
    """Return the cases of the methods, and with `has_functions` the functions, of a file."""
    tree = ast.parse(text)
    made: list[tuple[str, JsonObject]] = []
    left: list[tuple[int, str]] = []
    whole = _UnitTest(_imports(tree), {}, [], [])
    whole.read([one for one in tree.body if isinstance(one, ast.Assign)])
    for function, reason in _tests(tree, has_functions):
        if reason:
            left.append((function.lineno, reason))
        else:
            _UnitTest(whole.imports, dict(whole.values), made, left).read(function.body)
    cases: dict[str, list[JsonObject]] = {}
    for module, case in made:
        cases.setdefault(module, []).append(case)
    return ImportedCases(cases, [*dict.fromkeys(left)])
