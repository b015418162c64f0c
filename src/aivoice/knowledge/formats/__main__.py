"""The child of `child.read_document`: a name and bytes in, JSON out, within limits that the kernel keeps."""

from __future__ import annotations

import json
import resource
import sys

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.child import CPU_S, MEMORY
from aivoice.knowledge.formats.kinds import parse


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    name = json.loads(sys.stdin.buffer.readline())
    try:
        parsed = parse(name, sys.stdin.buffer.read())
        answer = {"title": parsed.title, "blocks": [[item.text, item.level, item.alone] for item in parsed.blocks]}
    except DocumentError as error:
        answer = {"code": error.code, "message": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
