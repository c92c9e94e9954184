"""A small to-do list: add TEXT, list, done NUMBER. Tasks are kept in todo.json."""

import json
import sys
from pathlib import Path

FILE = Path("todo.json")


def load():
    return json.loads(FILE.read_text()) if FILE.exists() else []


def save(tasks):
    FILE.write_text(json.dumps(tasks, indent=2))


def add(text):
    save([*load(), {"text": text, "done": False}])


def done(number):
    tasks = load()
    tasks[number - 1]["done"] = True
    save(tasks)


def show():
    for number, task in enumerate(load(), 1):
        mark = "x" if task["done"] else " "
        print(f"{number}. [{mark}] {task['text']}")


def main(words):
    match words:
        case ["add", *text] if text:
            add(" ".join(text))
        case ["done", number]:
            done(int(number))
        case ["list"]:
            show()
        case _:
            print("usage: todo.py add TEXT | list | done NUMBER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
