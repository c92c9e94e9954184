"""Calls a model by plain HTTP, with a URL and a key from its variables, and reports a success.

`model_caller.py PROVIDER NUMBER [die]` streams that many answers; with `die`, it is killed in the
middle of the last one.
"""

import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

MODELS = {
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-2.5-pro",
    "openai": "gpt-5.2-codex",
    "openai_compatible": "llama",
}


def request_of(provider: str, text: str) -> urllib.request.Request:
    """Return a request for a streamed answer."""
    model, url = MODELS[provider], os.environ[f"{provider.upper()}_BASE_URL"]
    said: dict[str, Any] = {"role": "user", "content": text}
    key, headers = os.environ.get(f"{provider.upper()}_API_KEY", ""), {}
    match provider:
        case "anthropic":
            url = f"{url}/v1/messages"
            body = {"model": model, "max_tokens": 99, "stream": True, "messages": [said]}
            headers = {"anthropic-version": "2023-06-01"}
        case "gemini":
            url = f"{url}/v1beta/models/{model}:streamGenerateContent?alt=sse"
            body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        case "openai":
            url = f"{url}/responses"
            body = {"model": model, "stream": True, "input": text}
        case _:
            url = f"{url}/chat/completions"
            more = {"stream_options": {"include_usage": True}}
            body = {"model": model, "stream": True, "messages": [said], **more}
    headers |= {"authorization": f"Bearer {key}", "content-type": "application/json"}
    return urllib.request.Request(url, json.dumps(body).encode(), headers)


def call_models(provider: str, number: int, *, dies: bool = False) -> None:
    """Stream answers, one after the other."""
    for call in range(1, number + 1):
        with urllib.request.urlopen(request_of(provider, f"call {call}")) as answer:
            if dies and call == number:
                answer.read1()
                os.kill(os.getpid(), signal.SIGKILL)
            answer.read()


if __name__ == "__main__":
    call_models(sys.argv[1], int(sys.argv[2]), dies="die" in sys.argv)
    Path(os.environ["ATTRACTOR_STATUS_FILE"]).write_text('{"outcome": "success"}')
    sys.stdout.write("Done.\n")
