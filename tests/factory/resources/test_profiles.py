import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attractor.base.errors import Refused, UnknownName, VerificationError
from attractor.factory.errors import InvalidProfile
from attractor.factory.resources.profiles import Profile, make_profile, read_profile
from attractor.factory.resources.versions import Ending, differing_files
from tests.factory.resources.stores import NOW, profile_store
from tests.tables import table

FULL = """
name = "careful"
description = "For the payment service."

[sandbox]
read = ["/opt/toolchain"]
pass_env = ["LANG"]

[models]
fast = "haiku"

[policy]
allow = ["dirty_base"]
protected_paths = ["/deploy"]
max_cost_usd = 5.0

[window]
runs = 10
pipelines = 2
min_approved = 0.9
"""


def test_a_profile_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "careful.toml").write_text(FULL)
    profile = read_profile(tmp_path / "careful.toml")
    assert profile.allows("dirty_base")
    assert not profile.allows("isolation_unverified")
    assert profile.sandbox.pass_env == ("LANG",)
    assert profile.models == {"fast": "haiku"}
    assert profile.window
    assert profile.window.runs == 10


@table(
    ("text", "words"),
    [
        ('name = "Up"', "lower-case letters"),
        ('name = "a"\nmodel = "x"', r"a.toml:2: .*model"),
        ('name = "a"\n[policy]\nalow = []', r"a.toml:3: .*alow"),
        ('name = "a"\n[policy]\nallow = ["chain_broken"]', "allow"),
        ('name = "a"\n[policy]\nask_providers = "no"', r"a.toml:3: policy.ask_providers"),
        ('name = "a"\n[policy]\nmax_cost_usd = true', r"a.toml:3: policy.max_cost_usd"),
        ('name = "a"\n[window]\nmin_approved = 0.9', "window.runs is missing"),
        ("name = ", "a.toml"),
    ],
)
def test_an_invalid_profile_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(InvalidProfile, match=words):
        read_profile(tmp_path / "a.toml")


@table(
    ("content", "words"),
    [(b'name = "\xfc"', "can't decode byte 0xfc"), (None, "cannot read .*: No such file")],
)
def test_an_unreadable_profile_file_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "a.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidProfile, match=words):
        read_profile(file)


@table("name", ["", "../up", "Demo", "a b", "a/b"])
def test_invalid_profile_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidProfile, match="invalid profile name"):
        make_profile(name)


def test_runs_keep_the_revision_that_they_pinned(tmp_path: Path) -> None:
    store = profile_store(tmp_path)
    first = store.create(make_profile("demo"), by="ann", now=NOW)
    changed = make_profile("demo", ("dirty_base",))
    second, is_new = store.update(changed, by="ann", now=NOW)
    assert (first.number, second.number, is_new) == (1, 2, True)
    assert store.update(changed, by="ann", now=NOW) == (second, False)
    assert store.versions.find("demo") == second
    assert store.read(store.versions.of_pin(first.pinned)) == make_profile("demo")
    assert store.read(second) == changed


def test_duplicate_unknown_and_misnumbered_profiles_are_refused(tmp_path: Path) -> None:
    store = profile_store(tmp_path)
    with pytest.raises(UnknownName) as caught:
        store.versions.find("demo")
    assert caught.value.hint == "create it: attractor profile create FILE"
    store.create(make_profile("demo"), by="ann", now=NOW)
    with pytest.raises(Refused, match="already"):
        store.create(make_profile("demo"), by="ann", now=NOW)
    with pytest.raises(UnknownName, match="unknown profile 'dema'"):
        store.versions.find("dema")
    with pytest.raises(UnknownName, match="version of profile demo '2'"):
        store.versions.find("demo@2")
    with pytest.raises(UnknownName, match="unknown profile 'other'"):
        store.update(make_profile("other"), by="ann", now=NOW)


def test_projects_do_not_share_profiles(tmp_path: Path) -> None:
    here, there = profile_store(tmp_path), profile_store(tmp_path, "other")
    strict, lenient = make_profile("demo"), make_profile("demo", ("dirty_base",))
    pinned = here.create(strict, by="ann", now=NOW).pinned
    assert there.versions.names() == []
    there.create(lenient, by="ann", now=NOW)
    assert here.read(here.versions.find("demo")) == strict
    with pytest.raises(VerificationError):
        there.versions.of_pin(pinned)


def _edit(file: Path) -> None:
    text = file.read_text()
    assert '"allow": []' in text
    file.write_text(text.replace('"allow": []', '"allow": ["dirty_base"]'))


def _replace_by_other_version(file: Path) -> None:
    file.write_bytes((file.parent / "2.json").read_bytes())


def _replace_by_other_project(file: Path) -> None:
    folder = file.parents[4]
    store = profile_store(folder.parent, "other")
    store.create(make_profile("demo", ("dirty_base",)), by="ann", now=NOW)
    [other] = set((folder / "projects").glob("*/profiles/demo/1.json")) - {file}
    file.write_bytes(other.read_bytes())


@table("forge", [_edit, _replace_by_other_version, _replace_by_other_project, Path.unlink])
def test_a_forged_profile_is_refused(tmp_path: Path, forge: object) -> None:
    store = profile_store(tmp_path)
    pinned = store.create(make_profile("demo"), by="ann", now=NOW).pinned
    store.update(make_profile("demo", ("dirty_base",)), by="ann", now=NOW)
    [file] = (tmp_path / "state" / "projects").glob("*/profiles/demo/1.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert callable(forge)
    forge(file)
    with pytest.raises(VerificationError):
        store.versions.of_pin(pinned)


def test_profiles_with_equal_content_have_equal_hashes() -> None:
    assert Profile(name="a").content == make_profile("a").content
    assert Profile(name="a").content != Profile(name="b").content


def test_missing_and_differing_files_of_versions_are_found_by_the_ledger(tmp_path: Path) -> None:
    store = profile_store(tmp_path)
    first = store.create(make_profile("demo"), by="ann", now=NOW)
    store.update(make_profile("demo", ("dirty_base",)), by="ann", now=NOW)
    store.versions.end(first, Ending("retired", NOW, "ann", "it is old"))
    entries = list(store.versions.ledger.entries())
    assert [*differing_files(entries, tmp_path / "state")] == []
    [file] = (tmp_path / "state" / "projects").glob("*/profiles/demo/2.json")
    file.with_name("1.json").write_text(file.read_text())
    file.unlink()
    found = differing_files(entries, tmp_path / "state")
    assert sorted(one.name for one in found) == ["1.json", "2.json"]


def _restore_before_end(file: Path) -> None:
    store = profile_store(file.parents[5])
    before = file.read_bytes()
    store.versions.end(store.versions.find("demo@2"), Ending("retired", NOW, "ann", "it is old"))
    file.write_bytes(before)


@pytest.mark.parametrize(
    ("lose", "words"),
    [(Path.unlink, "is missing"), (_restore_before_end, "differs from the ledger")],
)
def test_no_older_version_replaces_a_lost_one(
    tmp_path: Path, lose: Callable[[Path], None], words: str
) -> None:
    store = profile_store(tmp_path)
    store.create(make_profile("demo"), by="ann", now=NOW)
    store.update(make_profile("demo", ("dirty_base",)), by="ann", now=NOW)
    assert store.versions.find_usable("demo").number == 2
    [file] = (tmp_path / "state" / "projects").glob("*/profiles/demo/2.json")
    lose(file)
    for reference in ("demo", "demo@2"):
        with pytest.raises(VerificationError, match=words) as caught:
            store.versions.find_usable(reference)
        assert "restore it from a backup" in caught.value.hint


def test_a_number_is_given_out_once(tmp_path: Path) -> None:
    store = profile_store(tmp_path)
    store.create(make_profile("demo"), by="ann", now=NOW)
    lost, _ = store.update(make_profile("demo", ("dirty_base",)), by="ann", now=NOW)
    [file] = (tmp_path / "state" / "projects").glob("*/profiles/demo/2.json")
    file.unlink()
    added, is_new = store.update(make_profile("demo", ("isolation_unverified",)), by="ann", now=NOW)
    assert (added.number, is_new) == (3, True)
    assert store.versions.find("demo@2") == lost
    _restore_before_end(file)
    with pytest.raises(VerificationError, match="differs from the ledger"):
        store.update(make_profile("demo"), by="ann", now=NOW)


def test_versions_that_are_added_at_once_are_numbered_without_gaps(tmp_path: Path) -> None:
    profile_store(tmp_path).create(make_profile("demo"), by="ann", now=NOW)

    def update(number: int) -> int:
        profile = Profile(name="demo", description=str(number))
        return profile_store(tmp_path).update(profile, by="ann", now=NOW)[0].number

    with ThreadPoolExecutor(8) as together:
        assert sorted(together.map(update, range(8))) == list(range(2, 10))
    entries = list(profile_store(tmp_path).versions.ledger.entries())
    assert len(entries) == 9
