"""Runs mutmut in one area instead of the modules that pyproject.toml names.

mutmut has neither an option nor a function for it. This is a program of its own because mutmut
tests a copy: a program that has loaded modules of tests would run those of the original.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from mutmut.__main__ import cli, create_mutants
from mutmut.configuration import config
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir

SKIPPED = 34
"""The exit code that mutmut records for a mutant that it does not run."""
CHILDREN = 2


def main(patterns: Sequence[str], tests: Sequence[str], most: int) -> None:
    """Mutate modules, and run a fixed sample of the mutants."""
    settings = config()
    settings.only_mutate = list(patterns)
    settings.pytest_add_cli_args_test_selection = list(tests)
    settings.pytest_add_cli_args += ["-p", "tests.mutants.plugin", "-m", "not live and not agents"]
    # pyright takes minutes for the mutants of a room: the ill-typed ones are run, too.
    settings.type_check_command = []
    mutants = Path("mutants")
    mutants.mkdir()
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(CHILDREN)
    skip_all_but(most, sorted(mutants.rglob("*.py.meta")))
    cli(["run", f"--max-children={CHILDREN}"], standalone_mode=False)


def skip_all_but(most: int, records: Sequence[Path]) -> None:
    """Leave the mutants with the lowest checksums of their names: the same ones each time."""
    contents = {record: json.loads(record.read_text()) for record in records}
    names = [name for content in contents.values() for name in content["exit_code_by_key"]]
    sample = set(sorted(names, key=lambda name: crc32(name.encode()))[:most])
    for record, content in contents.items():
        codes = content["exit_code_by_key"]
        codes |= {name: SKIPPED for name in codes if name not in sample}
        record.write_text(json.dumps(content))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
