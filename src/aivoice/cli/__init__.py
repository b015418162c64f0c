"""The command line: ``aivoice serve | call | simulate | replay | bench | doctor | check``.

Every command
- ends with status 0, or with 2 and one clear line (what, where, what to do), never with a traceback;
- ends within 3 s of Ctrl-C, its files whole, with status 130;
- prints for people by default (colours only on a terminal, and never with NO_COLOR), for machines with ``--json``.
"""

import sys


def main() -> None:
    """The `aivoice` program. Ctrl-C while its own parts are still being imported ends it as quietly as later."""
    try:
        from aivoice.cli.app import main as run_program
    except KeyboardInterrupt:
        sys.exit(130)  # as output.EXIT_INTERRUPTED, which may not have been imported
    run_program()
