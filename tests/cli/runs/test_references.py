"""Names in commands: a whole name anywhere, otherwise the unique beginning of one."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.attention.reading import find_rows
from attractor.attention.rows import AttentionRow
from attractor.base.errors import UnknownName, UsageError
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.project import ProjectFolder
from attractor.worlds.actors import ActorFolder, find_actor

Place = tuple[str, str]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def draw(chance: random.Random) -> Sequence[Place]:
    """Return the names of things in three projects, many of them the beginning of others."""
    names = ["".join(chance.choices("go", k=chance.randint(1, 4))) for _ in range(6)]
    return sorted({(chance.choice("pqr"), name) for name in names})


def meant(word: str, known: Sequence[Place], own: str) -> Sequence[Place]:
    exact = [one for one in known if one[1] == word]
    found = exact or [one for one in known if word and one[1].startswith(word)]
    return [one for one in found if one[0] == own] or found


def project(name: str) -> ProjectFolder:
    return ProjectFolder(name, Path("/work") / f"in-{name}", Path("/work") / name / ".runs")


def row(place: Place) -> AttentionRow:
    return AttentionRow(
        id="/".join(place),
        need="review",
        project=project(place[0]),
        name=place[1],
        reason="",
        since=NOW,
        command="",
    )


def actor(word: str, known: Sequence[Place], own: str) -> Place:
    folders = [ActorFolder(Path(name), project(place)) for place, name in known]
    one = find_actor(word, folders, own)
    return (one.project.project_id, one.name)


def rows(word: str, known: Sequence[Place], _own: str) -> Place:
    # An actor can be behind several rows.
    one, other = find_rows(word, [row(place) for place in known for _ in range(2)])
    assert one == other
    return (one.project.project_id, one.name)


def test_row_of_a_run_is_found_by_its_title_or_id() -> None:
    known = [replace(row(("p", "01AA")), about="Tidy\u202e the list"), row(("p", "01BB"))]
    for word in ("Tidy\N{REPLACEMENT CHARACTER} the list", "Tidy", "in-p/Tidy", "01AA", "01a"):
        assert find_rows(word, known) == known[:1], word


def test_each_name_means_one_thing_among_500_random_sets() -> None:
    chance = random.Random(20)
    seen = set[str]()
    for _ in range(500):
        known, word = draw(chance), "".join(chance.choices("go", k=chance.randint(0, 3)))
        for find, own in ((actor, "p"), (rows, "")):
            wanted = meant(word, known, own)
            if len(wanted) == 1:
                assert find(word, known, own) == wanted[0], (find, word, known)
            else:
                with pytest.raises(UsageError) as refused:
                    find(word, known, own)
                assert refused.type is (UsageError if wanted else UnknownName), (word, known)
            seen.add(f"{find.__name__} {min(len(wanted), 2)}")
    assert len(seen) == 6


def test_beginning_of_a_name_is_refused_beside_a_whole_name_of_another_project(
    tmp_path: Path,
) -> None:
    for place, name in (("here", "gemini"), ("there", "g")):
        records = DimensionRecords.in_state(tmp_path, place)
        records.write(Dimension(name=name, kind="copy", created=NOW))
    here = DimensionRecords.in_state(tmp_path, "here")
    assert here.find("ge").name == "gemini"
    with pytest.raises(UsageError, match="the dimension g belongs to another project") as refused:
        here.find("g")
    assert "gemini" in refused.value.hint
