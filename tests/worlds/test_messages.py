"""The order of messages: each is answered once, whatever a killed process leaves behind."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings, strategies as st

from attractor.worlds.messages import (
    Message,
    MessageKind,
    Sender,
    SenderKind,
    TaskAtWork,
    find_next_step,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(number: int, sender: str = "ann", kind: SenderKind = SenderKind.PERSON) -> Message:
    words, sent = f"task {number}", NOON + timedelta(seconds=number)
    return Message(f"m{number}", number, MessageKind.TASK, Sender(kind, sender), words, sent)


class Killed(Exception):
    """The process was killed."""


@dataclass
class Model:
    """Inbox, task and journal in memory, and a process that may be killed between two writes."""

    chance: random.Random
    inbox: dict[str, Message] = field(default_factory=dict[str, Message])
    task: TaskAtWork | None = None
    answered: list[str] = field(default_factory=list[str])
    ids: set[str] = field(default_factory=set[str])
    finished: dict[str, str] = field(default_factory=dict[str, str])
    sent: int = 0

    def send(self) -> None:
        self.sent += 1
        one = message(self.sent, self.chance.choice(["ann", "bob", "cleo"]))
        self.inbox[one.id] = one

    def may_die(self) -> None:
        if self.chance.random() < 0.05:
            raise Killed

    def step(self) -> None:
        step = find_next_step(list(self.inbox.values()), self.task, self.ids)
        for one in step.settled:
            self.inbox.pop(one.id, None)
        if step.settled and step.at_work is None:
            self.task = None
        task = step.at_work
        if task is None and step.message:
            task = self.task = TaskAtWork(step.message, f"run of {step.message.id}")
        if task is None:
            return
        self.may_die()
        # A run that ended before the kill is not run again: its directory says so.
        self.finished.setdefault(task.run_id, task.message.id)
        self.may_die()
        self.answered.append(task.message.id)
        self.ids.add(task.message.id)
        self.may_die()
        self.inbox.pop(task.message.id, None)
        self.may_die()
        self.task = None


def play(seed: int, count: int) -> Model:
    model = Model(random.Random(seed))
    while len(model.answered) < count or model.inbox or model.task:
        if model.sent < count and model.chance.random() < 0.5:
            model.send()
            continue
        try:
            model.step()
        except Killed:
            continue
    return model


@given(st.integers())
@settings(max_examples=20)
def test_messages_are_answered_once_and_in_their_order(seed: int) -> None:
    model = play(seed, 50)
    assert model.answered == [f"m{n}" for n in range(1, 51)]
    assert len(model.finished) == 50


def test_ten_thousand_messages_are_answered_once_and_in_their_order() -> None:
    model = play(7, 10_000)
    assert model.answered == [f"m{n}" for n in range(1, 10_001)]


def test_message_that_sorts_before_the_last_one_is_still_taken() -> None:
    step = find_next_step([message(3), message(2)], None, {"m4"})
    assert step.message == message(2)


def test_words_of_a_person_are_the_goal_and_others_are_quoted_with_their_sender() -> None:
    assert message(1).goal == "task 1"
    posing = message(2, "liar", SenderKind.ACTOR)
    assert posing.goal == "A task from actor liar, which is not a person:\n\n> task 2"
