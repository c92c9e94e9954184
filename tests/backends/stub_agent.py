"""Prints the events of codex or claude, and follows simple orders in its prompt.

`report` writes a report, `fail` exits with status 7, `forget` removes the files of the session,
`limited` ends once with the limit of an account, `call` calls a model, and hangs if it is refused,
`permit` asks about a tool call, and `hang` does not end unless a file `go` is beside the program.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def say(**event: Any) -> None:
    sys.stdout.write(f"{json.dumps(event)}\n")
    sys.stdout.flush()


def obey(prompt: str, sessions: Path) -> None:
    """Follow the orders, and append the prompt to a file in the workspace."""
    with Path("prompts.txt").open("a") as file:
        file.write(f"{prompt}\n=====\n")
    task = prompt.partition("# Reporting")[0]
    if "call" in task:
        call_model()
    if "report" in task:
        Path(os.environ["ATTRACTOR_STATUS_FILE"]).write_text('{"outcome": "success"}')
    if "forget" in task:
        for one in sessions.iterdir():
            one.unlink()
    if "limited" in task and not Path("limited").exists():
        Path("limited").touch()
        message = "You’ve hit your usage limit. Upgrade to Plus, or try again in 2 seconds."
        say(type="item.completed", item={"id": "0", "type": "agent_message", "text": "I begin."})
        say(type="turn.failed", error={"message": message})
        sys.exit(1)
    if "hang" in task and not Path(__file__).resolve().with_name("go").exists():
        Path(__file__).resolve().with_name("hangs").touch()
        time.sleep(1000)
    if "fail" in task:
        sys.exit(7)


def call_model() -> None:
    """Call a model; a refused call is repeated much later."""
    login = os.environ.get("CLAUDE_CODE_OAUTH_TOKEN")
    own = f"{os.environ['ANTHROPIC_BASE_URL']}/v1/messages" if login else ""
    url = own or f"{os.environ['OPENAI_BASE_URL']}/responses"
    key = {"authorization": f"Bearer {login or os.environ['OPENAI_API_KEY']}"}
    key["anthropic-version"] = "2023-06-01"
    said = (
        {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
        if login
        else {"input": "Hi"}
    )
    model = "claude-opus-4-6" if login else "gpt-5.2"
    body = json.dumps({"model": model, **said}).encode()
    request = urllib.request.Request(url, body, {**key, "content-type": "application/json"})
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError:
        time.sleep(60)
        sys.exit(9)


def codex(words: list[str]) -> None:
    """Count the turns of a session in its file; each turn adds 100 tokens."""
    sessions = Path(os.environ["CODEX_HOME"], "sessions")
    sessions.mkdir(parents=True, exist_ok=True)
    session = words[words.index("resume") + 1] if "resume" in words else f"s{os.getpid()}"
    file = sessions / session
    if "resume" in words and not file.exists():
        sys.exit(f"no session {session}")
    turns = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(turns))
    say(type="thread.started", thread_id=session)
    obey(sys.stdin.read(), sessions)
    say(type="item.completed", item={"id": "1", "type": "agent_message", "text": f"Turn {turns}."})
    say(type="turn.completed", usage={"input_tokens": 100 * turns, "output_tokens": turns})


def read_message() -> str:
    """Read a message as claude does, and repeat it as an event."""
    line = json.loads(sys.stdin.readline())
    while "message" not in line:
        line = json.loads(sys.stdin.readline())
    message = line["message"]
    say(type="user", message=message, isReplay=True)
    return message["content"]


def claude(words: list[str]) -> None:
    """Answer the prompt; if the prompt contains `wait`, first read one more message."""
    say(type="system", subtype="init", session_id="one", model="opus")
    texts = [read_message()]
    if "wait" in texts[0]:
        Path("waiting").touch()
        texts.append(read_message())
    if "permit" in texts[0]:
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "make"}}
        say(type="control_request", request_id="1", request=asked)
        sys.stdin.readline()
    obey("\n".join(texts), Path())
    usage = {"opus": {"inputTokens": 20, "outputTokens": 2}}
    say(type="assistant", message={"content": [{"type": "text", "text": texts[-1]}]})
    say(type="result", is_error=False, total_cost_usd=0.25, modelUsage=usage)
    # Like claude, keep running until stdin is closed.
    sys.stdin.read()


if __name__ == "__main__":
    if "--version" in sys.argv:
        sys.stdout.write("stub 7.8.9\n")
    else:
        (codex if sys.argv[0].endswith("codex") else claude)(sys.argv[1:])
