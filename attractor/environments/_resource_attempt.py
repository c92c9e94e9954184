"""Uses up the resource in its argument, `processes` or `memory`, until the sandbox kills it.

This is a separate program for any Python from 3.9. It prints "survived" if it is not killed.
"""

import os
import sys
import time

# More than the bounds of the tested sandbox.
_MANY_PROCESSES = 20
_MUCH_MEMORY = 70 << 20
# Time to be killed.
_SURVIVAL_S = 4.0


def main() -> None:
    """Use up one resource."""
    if sys.argv[1] == "processes":
        _bomb()
    else:
        used = [bytes([1]) * (1 << 20) for _ in range(_MUCH_MEMORY >> 20)]
        time.sleep(_SURVIVAL_S)
        del used
    sys.stdout.write("survived")


def _bomb() -> None:
    """Start many processes, each of which waits to be killed."""
    for _ in range(_MANY_PROCESSES):
        if os.fork() == 0:
            time.sleep(_SURVIVAL_S)
            os._exit(0)
    time.sleep(_SURVIVAL_S)


if __name__ == "__main__":
    main()
