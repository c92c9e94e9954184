"""Whoever waits for the news has them when all who watch have."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from attractor.base.events import Event
from attractor.pipeline import news as module
from attractor.pipeline.news import News
from tests.engine.graphs import line
from tests.engine.runs import Workplace


def test_what_happened_was_heard_by_everybody(tmp_path: Path) -> None:
    heard: list[str] = []

    def slowly(event: Event) -> None:
        time.sleep(0.02)
        heard.append(event.type)

    async def scene() -> list[str]:
        news = News()
        first, second = (
            stack.open() for stack in (workplace(tmp_path, "one"), workplace(tmp_path, "two"))
        )
        with first, second:
            for run in (first, second):
                news.hand_on(run.events, slowly)
                for number in range(3):
                    run.emit(f"Kind{number}", {})
            await news.heard()
            return list(heard)

    assert sorted(asyncio.run(scene())) == sorted(["Kind0", "Kind1", "Kind2"] * 2)


def test_whoever_hears_nothing_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    go_on = threading.Event()

    def stay(event: Event) -> None:
        go_on.wait(10)

    with workplace(tmp_path, "one").open() as run:
        news = News()
        news.hand_on(run.events, stay)
        run.emit("Kind", {})
        asyncio.run(news.heard())
        go_on.set()


def workplace(folder: Path, name: str) -> Workplace:
    return Workplace(folder / name, line("a"))
