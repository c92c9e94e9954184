"""Stand in for the model providers, with answers from a script."""

import asyncio
import signal
from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.twins.provider_twin import ProviderTwin
from attractor.twins.script import load_script

PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--script",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The script: which request gets which answer.",
)
@click.option("--port", type=PORT, default=0, help="Where clients reach it; any free port if 0.")
@click.option("--control-port", type=PORT, default=0, help="Where /requests is shown.")
@json_option
def twin_llm(script: Path, port: int, control_port: int, as_json: bool) -> ExitCode:
    """Stand in for the model providers, with answers from a script.

    It speaks OpenAI's Responses, Anthropic's Messages and Gemini's generateContent over real HTTP
    on this machine and goes on until Ctrl-C. The printed variables send a provider's clients to it.
    What it was asked is shown at the control address to whoever has the printed token.
    """
    twin = ProviderTwin(load_script(script), port=port, control_port=control_port)
    asyncio.run(_stand_in(twin, as_json=as_json))
    return ExitCode.INTERRUPTED


async def _stand_in(twin: ProviderTwin, *, as_json: bool) -> None:
    told_to_end = asyncio.Event()
    # By the loop: an interruption raised while a request is answered would end with that request.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    async with twin:
        if as_json:
            show_json(_record(twin))
        else:
            show(_text(twin))
        await told_to_end.wait()


def _record(twin: ProviderTwin) -> dict[str, object]:
    return {
        "url": twin.url,
        "environ": dict(twin.environ()),
        "control_url": twin.control_url,
        "token": twin.token,
    }


def _text(twin: ProviderTwin) -> str:
    variables = [f"  export {name}={value}" for name, value in twin.environ().items()]
    control = f'curl -H "Authorization: Bearer {twin.token}" {twin.control_url}/requests'
    lines = [f"The twin answers at {twin.url}. Its clients find it by:", *variables]
    return "\n".join([*lines, "What it was asked:", f"  {control}"])


part = twin_llm
