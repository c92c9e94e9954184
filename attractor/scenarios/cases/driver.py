"""Does what each line of its input asks of a module, and prints the answer: in Python from 3.9.

A separate program beside the candidate's code, which can forge each answer, but knows no expected
value.
"""

import datetime
import decimal
import fractions
import functools
import importlib
import json
import os
import sys

_TEXTS = {
    "decimal": decimal.Decimal,
    "fraction": fractions.Fraction,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "bytes": bytes.fromhex,
    "float": float,
}
_LISTS = {"tuple": tuple, "set": set, "frozenset": frozenset}


def main():
    answers = os.fdopen(os.dup(1), "w")
    # What the candidate prints is no answer.
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())
    module = fault = None
    try:
        module = importlib.import_module(os.environ["ATTRACTOR_MODULE"])
    except BaseException as error:
        fault = error
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps({"id": asked["id"], **_answer(module, fault, asked["do"])}) + "\n")
        answers.flush()


def _answer(module, fault, steps):
    objects = {}
    try:
        if fault is not None:
            raise fault
        value = None
        for step in steps:
            target = objects[step["on"]] if "on" in step else module
            value = functools.reduce(getattr, step.get("call", step.get("get")).split("."), target)
            if "call" in step:
                args = [_read(one, objects) for one in step.get("args", ())]
                kwargs = {n: _read(one, objects) for n, one in step.get("kwargs", {}).items()}
                value = value(*args, **kwargs)
            if "as" in step:
                objects[step["as"]] = value
        return {"value": write_value(value)}
    except BaseException as error:
        names = [one.__name__ for one in type(error).__mro__ if issubclass(one, BaseException)]
        try:
            return {"raises": names, "message": str(error)}
        except BaseException:
            return {"raises": names, "message": ""}


def _read(value, objects):
    if isinstance(value, list):
        return [_read(one, objects) for one in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {name: _read(one, objects) for name, one in value.items()}
    kind, of = value["$"], value["of"]
    if kind == "object":
        return objects[of]
    if kind == "dict":
        return {_read(key, objects): _read(one, objects) for key, one in of}
    return _LISTS[kind](_read(of, objects)) if kind in _LISTS else _TEXTS[kind](of)


def write_value(value: object) -> object:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if value - value == 0 else {"$": "float", "of": repr(value)}
    if kind is list:
        return [write_value(one) for one in value]
    if kind is dict:
        if "$" not in value and all(type(key) is str for key in value):
            return {key: write_value(one) for key, one in value.items()}
        return {
            "$": "dict",
            "of": [[write_value(key), write_value(one)] for key, one in value.items()],
        }
    if kind in _LISTS.values():
        return {"$": kind.__name__, "of": [write_value(one) for one in value]}
    if kind in (decimal.Decimal, fractions.Fraction):
        return {"$": kind.__name__.lower(), "of": str(value)}
    if kind in (datetime.date, datetime.datetime):
        return {"$": kind.__name__, "of": value.isoformat()}
    if kind is bytes:
        return {"$": "bytes", "of": value.hex()}
    return {"$": "object", "of": f"{kind.__module__}.{kind.__qualname__}"}


if __name__ == "__main__":
    main()
