import json
import subprocess
from pathlib import Path

from tests.cli.running import attractor
from tests.prepared import quick_programs
from tests.tables import table


@table("shell", ["bash", "zsh", "fish"])
def test_script_is_printed_as_text_and_json(shell: str) -> None:
    script = attractor("completion", shell).stdout
    assert "_ATTRACTOR_COMPLETE" in script
    record = json.loads(attractor("completion", shell, "--json").stdout)
    assert record["script"].strip() == script.strip()
    assert shell in record["file"]


def test_bash_completes_a_command(tmp_path: Path) -> None:
    code = (
        f'PATH="{quick_programs()}:$PATH"; source <(attractor completion bash);'
        "COMP_WORDS=(attractor doc); COMP_CWORD=1; _attractor_completion attractor;"
        'echo "${COMPREPLY[@]}"'
    )
    result = subprocess.run(
        ["bash", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "doctor\n"
