"""`python -m benchmarks [peers | sweep | media] …`: the benchmarks of this checkout.

With no name: the peers. ``--quick``: samples of all. ``--prove``: all in full, written into docs/benchmarks.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import media, peers, sweep

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main(arguments: list[str]) -> int:
    """Exit status: the highest; each part runs whatever became of the others."""
    if arguments[:1] == ["peers"]:
        return peers.main(arguments[1:])
    if arguments[:1] == ["sweep"]:
        return sweep.main(arguments[1:])
    if arguments[:1] == ["media"]:
        return media.main(arguments[1:])
    if "--prove" in arguments:
        rest = [argument for argument in arguments if argument != "--prove"]
        docs = ["--docs", str(DOCS), *rest]
        return max(media.main(docs), sweep.main(docs), peers.main(docs))
    if arguments == ["--quick"]:
        return max(media.main(arguments), sweep.main(arguments), peers.main(arguments))
    return peers.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
