"""One inference process a machine: a bounded worker pool behind a socket, and the client that calls use.

- `wire`: the framed protocol, without I/O. `schedule`: which job runs next, without threads.
- `server`: the child process. `client`: what a call process holds; it starts the child, watches it, restarts it.
"""

from aivoice.providers.inference.client import Inference, InferenceSettings, Reply, Ticket
from aivoice.providers.inference.schedule import Priority

__all__ = ["Inference", "InferenceSettings", "Priority", "Reply", "Ticket"]
