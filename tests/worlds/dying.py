"""The program, killed with SIGKILL at the file operation whose number is its first argument."""

import os
import sys
from pathlib import Path

from attractor.cli.main import main
from tests.crashes.deaths import Death

if __name__ == "__main__":
    home = Path(os.environ["HOME"])
    death = Death("any", 0, int(sys.argv.pop(1)), home / "deaths")
    death.patch_os()
    code = main(sys.argv[1:])
    (home / "steps").write_text(str(death.met))
    sys.exit(code)
