"""The train part of a suite."""

from pathlib import Path

import pytest

from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.sealed_suite import SealedSuite, seal_suite
from attractor.scenarios.train_part import read_train_part, train_part_of
from tests.scenarios.suites import SCENARIO, TWIN, write_files, write_suite

SUITE = """
name = "todo"
pipeline = "linear"
[trials]
timeout = "9s"
[gate]
must = ["quokka"]
[isolation]
canary = "canary-of-the-quokka"
[[wrong]]
id = "none"
on = ""
noticed_by = ["quokka"]
[[twins]]
name = "todo-api"
"""
CHECK = """
[[checks]]
kind = "command"
program = "{id}.sh"
"""


def sealed(folder: Path) -> SealedSuite:
    """Seal a suite whose train scenario and holdout have a fixture and a program each."""
    write_suite(folder / "suite", suite=SUITE)
    for split, id_ in (("train", "zebra"), ("holdout", "quokka")):
        scenario = SCENARIO.format(id=id_, story=f"A {id_} runs.") + CHECK.format(id=id_)
        own = f'fixtures = ["{id_}.txt"]\n' + "# canary-of-the-quokka\n" * (split == "holdout")
        files = {
            f"{split}/{id_}.scenario.toml": own + scenario,
            f"fixtures/{id_}.txt": f"fixture of the {id_}",
            f"checks/{id_}.sh": f"#!/bin/sh\necho {id_}\n",
        }
        write_files(folder / "suite", files)
        (folder / f"suite/checks/{id_}.sh").chmod(0o755)
    (folder / "suite/holdout/adding.scenario.toml").unlink()
    patch = "# canary-of-the-quokka\n--- a/made.txt\n+++ b/made.txt\n@@ -1 +1 @@\n-a\n+quokka\n"
    more = {"wrong/none.patch": patch, "_twins/todo-api/twin.toml": TWIN}
    write_files(folder / "suite", more)
    return seal_suite(folder / "suite", folder / "store")


def test_train_part_has_what_train_scenarios_need_and_no_word_of_a_holdout(tmp_path: Path) -> None:
    suite = sealed(tmp_path)
    files = {path: content for path, content, _ in train_part_of(suite)}
    assert sorted(files) == [
        "_twins/todo-api/twin.toml",
        "checks/zebra.sh",
        "fixtures/zebra.txt",
        "settings.json",
        "train/zebra.scenario.toml",
    ]
    assert not [path for path, content in files.items() if b"quokka" in content]
    for path, content, mode in train_part_of(suite):
        place = tmp_path / suite.seal / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)
    part = read_train_part(tmp_path / suite.seal)
    assert part.suite.of_split("train") == suite.suite.of_split("train") == [*part.suite.scenarios]
    assert part.suite.settings.trials == suite.suite.settings.trials
    assert part.suite.edition == suite.suite.edition
    assert part.suite.settings.twins == suite.suite.settings.twins
    assert (part.folder / "checks/zebra.sh").stat().st_mode & 0o100


def test_program_that_no_check_names_is_not_sent(tmp_path: Path) -> None:
    sealed(tmp_path)
    write_files(tmp_path / "suite", {"checks/words.txt": "quokka"})
    suite = seal_suite(tmp_path / "suite", tmp_path / "store")
    with pytest.raises(InvalidSuite, match=r"no check names checks/words\.txt"):
        list(train_part_of(suite))
