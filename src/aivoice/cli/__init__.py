"""The command line: ``aivoice serve | call | simulate | replay | bench | doctor | check``.

Every command
- ends with status 0, or with 2 and one clear line (what, where, what to do), never with a traceback;
- ends within 3 s of Ctrl-C, its files whole, with status 130;
- prints for people by default (colours only on a terminal, and never with NO_COLOR), for machines with ``--json``.
"""

from aivoice.cli.app import main

__all__ = ["main"]
