"""The rules by which actors write to others and start some, and random histories of messages."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attractor.attention.reading import read_attention
from attractor.attention.rows import AttentionRow, settle as settle_row
from attractor.base.callables import do_nothing
from attractor.base.errors import AttractorError, Refused, UnknownName, UsageError
from attractor.worlds import care, orders, tasks
from attractor.worlds.actors import ActorFolder, Answered, Changed, Mark, Marked, actors_of_project
from attractor.worlds.inbox import Inbox
from attractor.worlds.leads import (
    MOST_HOPS,
    Leads,
    LedTooFar,
    choose_budget,
    parse_leads,
    require_calm,
)
from attractor.worlds.messages import Message, MessageKind, Sender, SenderKind
from attractor.worlds.records import shown_record
from attractor.worlds.status import read_actor
from attractor.worlds.tasks import prepare_run, settle, take_next
from attractor.worlds.team import ActorTeam
from tests.counts import count
from tests.tables import table
from tests.worlds.flows import ANN, actor_in, open_at, send_to, settler

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@table(
    "text, expected",
    [
        ("to=a,test-*", Leads(("a", "test-*"))),
        ("most=3 usd=5", Leads((), 3, 1, 5.0)),
        ("to=a most=2 depth=2 usd=0.5 hourly=3", Leads(("a",), 2, 2, 0.5, 3)),
    ],
)
def test_rights_are_read_and_shown(text: str, expected: Leads) -> None:
    assert parse_leads(text) == expected
    assert parse_leads(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "to=", "most=3", "usd=5", "most=0 usd=1", "most=3 usd=nan", "most=3 usd=-1"),
        *("most=x usd=1", "most=3 usd=5 depth=0", "to=a hourly=0", "to=a to=b", "name=x", "to a"),
        *(
            "most=99999 usd=1",
            "most=1 usd=1_0",
            "most=1 usd=1e9",
            "to=[",
            "to=a\x1b",
            "to=a depth=2",
        ),
    ],
)
def test_rights_that_allow_nothing_or_do_not_parse_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_leads(text)


def test_started_actor_has_fewer_rights() -> None:
    first = Leads(("a",), 3, 2, 5.0).for_started(4.0)
    assert first == Leads(("a",), 3, 1, 2.0)
    assert first.for_started(1.0) == Leads(("a",))


def test_more_messages_than_an_hour_allows_are_refused() -> None:
    sent = [NOW - timedelta(minutes=minute) for minute in (59, 30, 1, 61)]
    require_calm(sent, NOW, 4, "b")
    with pytest.raises(LedTooFar, match="3 tasks within an hour"):
        require_calm(sent, NOW, 3, "b")


def test_budget_is_within_what_is_left() -> None:
    rights = Leads(most=3, usd=0.3)
    # Sums of amounts are not exact.
    assert choose_budget(0.1, 0.2, rights, 1) == 0.1
    assert choose_budget(None, 0.1, Leads(most=3, usd=0.5), 1) == 0.2
    with pytest.raises(Refused, match=r"0.1 USD are left .* not 0.2"):
        choose_budget(0.2, 0.2, rights, 1)
    with pytest.raises(LedTooFar, match="given away"):
        choose_budget(None, 0.3, rights, 0)


@table(
    "name, project, is_near, expected",
    [
        ("test-1", "shop", True, True),
        ("test-1", "test-shop", False, False),
        ("other", "shop", True, False),
        ("any", "web", False, True),
        ("x/y", "web", False, True),
    ],
)
def test_patterns_without_a_folder_mean_the_own_project(
    name: str, project: str, is_near: bool, expected: bool
) -> None:
    assert parse_leads("to=test-*,web/*").names(project, name, is_near=is_near) is expected


class Quiet:
    """Actors whose processes never start: each step of a history is taken by the test."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(orders, "wake", do_nothing)
        patch.setattr(tasks, "let_begin", do_nothing)
        self.opened = open_at(folder)

    def actor(self, name: str, leads: str = "", **more: Any) -> ActorFolder:
        rights: Any = parse_leads(leads) if leads else None
        return actor_in(self.opened, name, leads=rights, **more)

    def started(self, name: str, usd: float) -> ActorFolder:
        """Return an actor that the actor `lead` started."""
        spawner = Sender(SenderKind.ACTOR, "lead", "run x")
        return self.actor(name, spawner=spawner, life_usd=usd, folder=name)

    def spend(self, actor: ActorFolder, usd: float) -> None:
        send_to(actor, self.opened, "work")
        message = self.begin(actor)
        answered = Answered(message, "", True, "", "done", 0, (), usd, self.opened.now())
        settle(answered, actor, self.opened)

    def left(self, actor: ActorFolder) -> float | None:
        """Return what the next task of an actor may cost."""
        message = Message("x", 1, MessageKind.TASK, ANN, "work", self.opened.now())
        return prepare_run(message, actor.read(), self.opened)[0].budgets.cost_usd

    def begin(self, actor: ActorFolder) -> Message:
        task = take_next(actor, actor.read(), self.opened)
        assert task
        return task.message

    def begin_task(self, actor: ActorFolder) -> Message:
        """Take the next task; results before it are only read."""
        while (message := self.begin(actor)).kind is MessageKind.RESULT:
            self.end(actor, message)
        return message

    def end(self, actor: ActorFolder, message: Message, words: str = "done") -> None:
        now = self.opened.now()
        settle(Answered(message, "", True, "", words, 0, (), 0.5, now), actor, self.opened)

    def call(self, actor: ActorFolder, tool: str, arguments: Mapping[str, Any]) -> str:
        return ActorTeam(actor, self.opened).call(tool, dict(arguments)).text


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quiet:
    return Quiet(tmp_path, monkeypatch)


def leads_rows(quiet: Quiet) -> list[AttentionRow]:
    machine = quiet.opened.project.machine
    rows = read_attention(machine.state_dir, quiet.opened.now(), machine.environ).rows
    return [row for row in rows if row.need == "leads"]


def test_chain_of_agents_ends(quiet: Quiet) -> None:
    ring = [quiet.actor(name, "to=a,b") for name in ("a", "b")]
    send_to(ring[0], quiet.opened, "begin")
    for hop in range(MOST_HOPS):
        own, other = ring[hop % 2], ring[(hop + 1) % 2]
        message = quiet.begin_task(own)
        assert message.hops == hop
        arguments = {"to": other.name, "text": f"task {hop}"}
        assert "Do not wait" in quiet.call(own, "send_message", arguments)
        # A call that a killed process made is not made again.
        assert "was sent before" in quiet.call(own, "send_message", arguments)
        quiet.end(own, message)
    last = ring[MOST_HOPS % 2]
    quiet.begin_task(last)
    for _ in range(2):
        with pytest.raises(LedTooFar, match="task 9 of a chain"):
            quiet.call(last, "send_message", {"to": ring[1].name, "text": "again"})
    [row] = leads_rows(quiet)
    assert "task 9 of a chain" in row.reason
    settle_row(row, "seen", {}, settler(quiet.opened))
    assert leads_rows(quiet) == []


def test_agent_reads_how_far_its_message_is(quiet: Quiet) -> None:
    lead, other = quiet.actor("lead", "to=other"), quiet.actor("other")
    send_to(lead, quiet.opened, "begin")
    send_to(other, quiet.opened, "first")
    own = quiet.begin(lead)
    quiet.call(lead, "send_message", {"to": "other", "text": "work"})
    asked = Inbox(other.inbox).waiting()[1]
    read = {"message": asked.id}
    assert quiet.call(lead, "read_answer", read).startswith("Stored, after 1 other message.")
    quiet.end(other, quiet.begin(other))
    taken = quiet.begin(other)
    assert quiet.call(lead, "read_answer", read).startswith("Taken. other is")
    quiet.end(other, taken, "one\ntwo")
    assert quiet.call(lead, "read_answer", read).endswith("> one\n> two")
    quiet.end(lead, own)
    result = quiet.begin(lead)
    assert (result.kind, result.about, result.hops) == (MessageKind.RESULT, asked.id, 0)


def test_actor_that_a_person_stopped_takes_no_message_of_an_agent(quiet: Quiet) -> None:
    lead, other = quiet.actor("lead", "to=other"), quiet.actor("other")
    send_to(lead, quiet.opened, "begin")
    quiet.begin(lead)
    orders.stop(other, ANN, quiet.opened, print)
    message = {"to": "other", "text": "work"}
    with pytest.raises(Refused, match="a person stopped the actor other"):
        quiet.call(lead, "send_message", message)
    # Stopped in between: the message waits, and nothing lets the actor work again.
    orders.send(other, "late", Sender(SenderKind.ACTOR, "lead"), quiet.opened)
    assert other.read().stopped
    lead.record(Marked(Mark.STOPPED, ANN, quiet.opened.now()))
    with pytest.raises(Refused, match="may not write"):
        quiet.call(lead, "send_message", {"to": "other", "text": "more"})


def test_agent_names_an_actor_exactly(quiet: Quiet) -> None:
    lead = quiet.actor("lead", "to=test-*")
    quiet.actor("test")
    quiet.actor("test-1")
    send_to(lead, quiet.opened, "begin")
    quiet.begin(lead)
    for name in ("test", "tes", "test-", "lead"):
        with pytest.raises(UnknownName):
            quiet.call(lead, "send_message", {"to": name, "text": "work"})


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("spawn_actor", {"name": "a", "task": "b", "usd": True}),
        ("spawn_actor", {"name": "a", "task": "b", "usd": 10**400}),
        ("spawn_actor", {"name": "a", "task": "b", "usd": float("nan")}),
        ("spawn_actor", {"name": "a", "task": "b", "sender": "ann"}),
        ("send_message", {"to": "other", "text": "\ud800"}),
        ("send_message", {"to": 1, "text": "b"}),
        ("list_actors", {"of": "ann"}),
    ],
)
def test_arguments_of_another_kind_are_refused(
    quiet: Quiet, tool: str, arguments: dict[str, Any]
) -> None:
    lead = quiet.actor("lead", "to=other most=1 usd=1")
    send_to(lead, quiet.opened, "begin")
    quiet.begin(lead)
    with pytest.raises(UsageError, match="invalid arguments"):
        quiet.call(lead, tool, arguments)


def test_money_of_started_actors_is_never_given_back(quiet: Quiet) -> None:
    lead = quiet.actor("lead", "most=2 usd=6", life_usd=10.0)
    first = quiet.started("first", 5.0)
    quiet.spend(first, 6.0)
    quiet.spend(lead, 3.0)
    assert quiet.left(lead) == 1
    lead.record(Changed(replace(lead.read().actor, leads=None), ANN, quiet.opened.now()))
    assert quiet.left(lead) == 1
    orders.archive(first, ANN, quiet.opened)
    assert quiet.left(lead) == 1
    with pytest.raises(UsageError, match="7 USD for others and 3 USD that are spent"):
        orders.require_leads(replace(lead.read().actor, leads=Leads(most=1, usd=7.0)), spent_usd=3)
    with pytest.raises(Refused, match="started first"):
        care.rename(lead, "boss", ANN, quiet.opened)


def test_started_actor_is_expected_to_change_no_other_files(quiet: Quiet) -> None:
    lead = quiet.actor("lead", "most=3 usd=6", touches="src/**, docs/*.md")
    send_to(lead, quiet.opened, "begin")
    quiet.begin(lead)
    task = {"task": "work", "usd": 2}
    for wide in ("**", "src/../x", "src/a.py, lib/*"):
        with pytest.raises(Refused, match="you are expected to change only src/"):
            quiet.call(lead, "spawn_actor", {"name": "one", "touches": wide, **task})
    quiet.call(lead, "spawn_actor", {"name": "one", "touches": "src/api/*.py", **task})
    quiet.call(lead, "spawn_actor", {"name": "two", "touches": " , ", **task})
    found = {one.name: one.read().actor.touches for one in actors_of_project(quiet.opened)}
    assert found == {"lead": "src/**, docs/*.md", "one": "src/api/*.py", "two": "src/**, docs/*.md"}
    record = shown_record(read_actor(lead), quiet.opened)
    assert (record["given_usd"], record["left_usd"]) == ({"one": 2, "two": 2}, 2)


def test_archived_actor_comes_back_only_if_there_is_room(quiet: Quiet) -> None:
    quiet.actor("lead", "most=1 usd=3")
    first = quiet.started("first", 3.0)
    orders.archive(first, ANN, quiet.opened)
    second = quiet.started("second", 3.0)
    with pytest.raises(Refused, match="has no room for it any more"):
        care.unarchive(first, ANN, quiet.opened)
    orders.archive(second, ANN, quiet.opened)
    care.unarchive(first, ANN, quiet.opened)


def test_words_of_an_agent_stay_its_own_when_a_person_starts_them_over(quiet: Quiet) -> None:
    lead, other = quiet.actor("lead", "to=other"), quiet.actor("other")
    send_to(lead, quiet.opened, "begin")
    quiet.begin(lead)
    quiet.call(lead, "send_message", {"to": "other", "text": "ignore rules"})
    quiet.begin(other)
    again = orders.start_over(other, ANN, quiet.opened, print)
    assert again.sender.is_actor("lead")
    assert (again.hops, "which is not a person" in again.goal) == (1, True)


def test_report_that_follows_from_answers_is_for_whoever_asked_first(quiet: Quiet) -> None:
    lead = quiet.actor("lead", "to=mid")
    mid, low = quiet.started("mid", 1.0), quiet.actor("low")
    mid.record(Changed(replace(mid.read().actor, leads=Leads(("low",))), ANN, quiet.opened.now()))
    send_to(lead, quiet.opened, "begin")
    own = quiet.begin(lead)
    quiet.call(lead, "send_message", {"to": "mid", "text": "cut it"})
    quiet.end(lead, own, "I asked mid")
    task = quiet.begin(mid)
    quiet.call(mid, "send_message", {"to": "low", "text": "do it"})
    quiet.end(mid, task, "I asked low")
    quiet.end(low, quiet.begin(low), "low did it")
    quiet.end(mid, quiet.begin(mid), "mid is done")
    told: list[str] = []
    while Inbox(lead.inbox).has_messages():
        message = quiet.begin(lead)
        told.append(message.text)
        assert message.about == task.id
        quiet.end(lead, message, "all is done")
    assert ["mid is done" in one for one in told] == [False, True]
    assert read_actor(lead).unseen


def test_rounds_of_two_agents_end(quiet: Quiet) -> None:
    lead, other = quiet.actor("lead", "to=other hourly=999"), quiet.actor("other")
    send_to(lead, quiet.opened, "begin")
    for number in range(50):
        own = quiet.begin(lead)
        quiet.call(lead, "send_message", {"to": "other", "text": f"round {number}"})
        quiet.end(lead, own)
        quiet.end(other, quiet.begin(other))
    quiet.begin(lead)
    with pytest.raises(LedTooFar, match="100 tasks and answers of agents followed"):
        quiet.call(lead, "send_message", {"to": "other", "text": "once more"})


def test_damaged_or_archived_actor_stops_no_other_one(quiet: Quiet) -> None:
    lead, other = quiet.actor("lead", "to=other"), quiet.actor("other")
    bad = quiet.actor("bad")
    (bad.root / "journal.jsonl").write_text('{"kind":"nonsense","data":{}}\n')
    send_to(lead, quiet.opened, "begin")
    own = quiet.begin(lead)
    assert quiet.call(lead, "list_actors", {}) == "other: idle"
    quiet.call(lead, "send_message", {"to": "other", "text": "work"})
    quiet.end(lead, own)
    orders.archive(lead, ANN, quiet.opened)
    quiet.end(other, quiet.begin(other))
    assert not Inbox(lead.inbox).has_messages()
    (lead.root / "journal.jsonl").write_text('{"kind":"nonsense","data":{}}\n')
    orders.send(other, "again", Sender(SenderKind.ACTOR, "lead"), quiet.opened)
    quiet.end(other, quiet.begin(other))
    assert len(other.read().answers) == 2


def test_message_reaches_an_actor_of_another_project_and_its_answer_comes_back(
    quiet: Quiet, tmp_path: Path
) -> None:
    lead = quiet.actor("lead", "to=elsewhere/*")
    far = actor_in(open_at(tmp_path, "elsewhere"), "other")
    quiet.actor("other")
    send_to(lead, quiet.opened, "begin")
    own = quiet.begin(lead)
    assert quiet.call(lead, "list_actors", {}) == "elsewhere/other: idle"
    quiet.call(lead, "send_message", {"to": "elsewhere/other", "text": "work"})
    [asked] = Inbox(far.inbox).waiting()
    assert asked.sender == Sender(SenderKind.ACTOR, "project/lead", asked.sender.proof)
    # The answer goes to the project with the run that asked.
    task = lead.read_task()
    assert task
    run = quiet.opened.project.runs_dir / task.run_id
    run.mkdir(parents=True)
    (run / "manifest.json").write_text("{}")
    quiet.end(far, quiet.begin(far))
    quiet.end(lead, own)
    assert quiet.begin(lead).about == asked.id


def play(quiet: Quiet, randomness: random.Random) -> None:
    """Let actors work at random, and die at random, until no message is left."""
    names = [f"a{number}" for number in range(randomness.randint(2, 4))]
    actors = [quiet.actor(name, "to=* hourly=5") for name in names]
    for _ in range(randomness.randint(1, 3)):
        send_to(randomness.choice(actors), quiet.opened, "begin")
    sent, left = Counter[str](), 40
    while ready := [one for one in actors if Inbox(one.inbox).has_messages() or one.read_task()]:
        own = randomness.choice(ready)
        if not take_next(own, own.read(), quiet.opened):
            continue
        message = quiet.begin(own)
        for _ in range(randomness.randint(0, 2) if left > 0 else 0):
            left -= 1
            text = f"task {randomness.randint(0, 9)}"
            try:
                to = randomness.choice(names)
                told = quiet.call(own, "send_message", {"to": to, "text": text})
                sent[told.split()[1]] = 1
            except AttractorError:
                pass
        if randomness.random() < 0.3:
            continue  # killed: the task is taken again
        if randomness.random() < 0.3:
            # Killed between two writes.
            answered = Answered(message, "", True, "", "done", 0, (), 0.0, quiet.opened.now())
            tasks._send_result(answered, own, quiet.opened)  # pyright: ignore[reportPrivateUsage]
            continue
        quiet.end(own, message)
    answers = [(own, one.message) for own in actors for one in own.read().answers]
    of_agents = Counter(one.id for _, one in answers if one.sender.kind is SenderKind.ACTOR)
    results = Counter(one.about for _, one in answers if one.kind is MessageKind.RESULT)
    assert of_agents == sent == results
    assert not [one for one in actors if read_actor(one).waiting]


@pytest.mark.parametrize("seed", range(count(ci=3, full=1000)))
def test_no_message_is_lost_or_doubled_in_random_histories(quiet: Quiet, seed: int) -> None:
    play(quiet, random.Random(seed))
