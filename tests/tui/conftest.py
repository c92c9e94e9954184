"""A person at the terminal interface, and a world of projects and actors behind a server."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from textual.pilot import Pilot
from textual.widgets import RichLog, Static

from attractor.base.errors import AttractorError
from attractor.server.service import Service
from attractor.tui.app import AttractorTui
from attractor.tui.client import ApiClient, Worlds
from attractor.tui.row_list import RowList
from tests.attention.test_reading import GATE
from tests.browsers import PICTURES
from tests.cli.git_desk import GitDesk
from tests.patience import PATIENCE_S
from tests.server.conftest import RunningServer, serving
from tests.worlds.desks import SPAWN

WIDE, MIDDLE, PHONE = (120, 40), (80, 30), (40, 30)


@dataclass
class World:
    """A project with a server, in which actors are spawned."""

    desk: GitDesk
    server: RunningServer
    http: httpx.Client

    def spawn(self, name: str, pipeline: str) -> None:
        self.desk.place.joinpath("pipeline.dot").write_text(pipeline)
        done = self.desk.do(*SPAWN, "--name", name, "say hello")
        assert done.returncode == 0, done.stderr

    def spawn_simulated(self, name: str, words: str) -> dict[str, Any]:
        body = {"words": words, "name": name, "backend": "simulate", "sandbox": "none"}
        made = self.http.post("/api/v1/actors", json=body)
        assert made.status_code == 201, made.text
        return made.json()

    def needs(self) -> list[str]:
        return [row["need"] for row in self.http.get("/api/v1/attention").json()]

    def actors(self) -> list[dict[str, Any]]:
        return self.http.get("/api/v1/actors").json()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world, whose actors are stopped at the end."""
    desk = GitDesk(tmp_path)
    desk.make(GATE)
    with serving(Service.of(desk.place, desk.environ)) as server, server.client("decide") as http:
        world = World(desk, server, http)
        yield world
        for one in world.actors():
            http.post(f"/api/v1/actors/{one['project']['id']}/{one['name']}/stop")


class LateClient(ApiClient):
    """A client that can stop to hear what needs a person, or its lists only, as if they were slow.

    It `is_following` once a stream told something.
    """

    is_late = is_following = False
    has_lists = True

    async def connected(self) -> ApiClient:
        return self

    async def worlds(self) -> Worlds:
        if self.is_late or not self.has_lists:
            await asyncio.Event().wait()
        return await super().worlds()

    async def follow_worlds(self) -> AsyncGenerator[Worlds]:
        async with aclosing(super().follow_worlds()) as received:
            async for worlds in received:
                self.is_following = True
                if self.is_late:
                    await asyncio.Event().wait()
                yield worlds


@dataclass
class Person:
    """A person who looks at the screen, and types."""

    app: AttractorTui
    pilot: Pilot[AttractorError]
    client: LateClient

    @property
    def list(self) -> str:
        return "\n".join(line.text for line in self.app.query_one("#list", RowList).lines)

    @property
    def right(self) -> str:
        body = self.app.query_one("#body", RichLog)
        return "\n".join([self.text("#head"), *(line.text for line in body.lines)])

    def text(self, selector: str) -> str:
        return str(self.app.query_one(selector, Static).content)

    @property
    def keys(self) -> str:
        return self.text("#keys").replace("\N{NO-BREAK SPACE}", " ")

    async def sees(self, words: str, where: Callable[[], str]) -> None:
        until = time.monotonic() + PATIENCE_S
        while words not in where():
            assert time.monotonic() < until, f"{words!r} is not in:\n{where()}"
            await asyncio.sleep(0.02)
            await self.pilot.pause()

    async def waits(self, is_so: Callable[[], bool]) -> None:
        await self.sees("yes", lambda: "yes" if is_so() else "not yet")

    @property
    def columns(self) -> tuple[int, ...]:
        """The widths of the list and of the details; 0 is hidden."""
        both = (self.app.query_one(selector) for selector in ("#list", "#right"))
        return tuple(one.region.width if one.display else 0 for one in both)

    async def types(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def keep_picture(self, name: str) -> None:
        """Keep a picture of the screen, with fonts of the machine."""
        if PICTURES:
            drawn = self.app.export_screenshot(title="attractor tui")
            Path(PICTURES, f"{name}.svg").write_text(
                re.sub(r"@font-face {.*?}", "", drawn, flags=re.S)
            )


class Relay:
    """A proxy in front of a server: it cuts connections, and holds the answers to a path back."""

    def __init__(self, server: RunningServer, holds_back: str) -> None:
        self._port = int(server.url.rpartition(":")[2])
        self._holds_back = f"GET {holds_back} ".encode()
        self._open: list[asyncio.StreamWriter] = []
        self._passing: list[asyncio.Task[None]] = []

    def take(self, asked: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        self._passing.append(asyncio.create_task(self._pass(asked, answers)))

    async def _pass(self, asked: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        answered, asks = await asyncio.open_connection("127.0.0.1", self._port)
        self._open += [answers, asks]
        is_held = False

        async def ask() -> None:
            nonlocal is_held
            while part := await asked.read(1 << 16):
                is_held = part.startswith(self._holds_back)
                asks.write(part)

        async def answer() -> None:
            while part := await answered.read(1 << 16):
                if not is_held:
                    answers.write(part)

        both = [asyncio.create_task(one()) for one in (ask, answer)]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for end in (answers, asks):
            end.close()
        await asyncio.gather(*both, *(end.wait_closed() for end in (answers, asks)))

    def cut(self) -> None:
        for one in self._open:
            one.close()

    async def end(self) -> None:
        self.cut()
        await asyncio.gather(*self._passing, return_exceptions=True)


def sit(
    server: RunningServer,
    work: Callable[[Person], Awaitable[None]],
    size: tuple[int, int] = WIDE,
) -> None:
    asyncio.run(_sit(server, server.url, work, size))


def sit_behind_relay(
    server: RunningServer,
    work: Callable[[Person, Relay], Awaitable[None]],
    holds_back: str = "",
) -> None:
    async def main() -> None:
        relay = Relay(server, holds_back)
        async with await asyncio.start_server(relay.take, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            await _sit(server, url, lambda ann: work(ann, relay), WIDE)
            await relay.end()

    asyncio.run(main())


async def _sit(
    server: RunningServer,
    url: str,
    work: Callable[[Person], Awaitable[None]],
    size: tuple[int, int],
) -> None:
    client = LateClient(url, {"authorization": f"Bearer {server.token()}"})
    app = AttractorTui(Worlds, client.connected)
    async with app.run_test(size=size) as pilot:
        await work(Person(app, pilot, client))
