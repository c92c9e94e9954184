"""What a service printed is kept for who reads it."""

import asyncio

from attractor.environments.environment import OutputBacklog


async def read(backlog: OutputBacklog) -> bytes:
    async with asyncio.timeout(30):
        return b"".join([piece async for piece in backlog.read()])


def test_reader_gets_earlier_and_later_output() -> None:
    async def work() -> bytes:
        backlog = OutputBacklog()
        backlog.add(b"before ")
        reading = asyncio.create_task(read(backlog))
        await asyncio.sleep(0)
        backlog.add(b"after")
        backlog.end()
        return await reading

    assert asyncio.run(work()) == b"before after"


def test_unread_output_keeps_its_end() -> None:
    async def work() -> bytes:
        backlog = OutputBacklog(max_bytes=10)
        for number in range(100):
            backlog.add(b"%04d" % number)
        backlog.end()
        return await read(backlog)

    assert asyncio.run(work()) == b"[... 392 bytes omitted ...]\n00980099"
