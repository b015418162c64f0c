"""One inference process a machine: a bounded worker pool behind a socket, and the client that calls use.

- `wire`: the framed protocol, without I/O. `schedule`: which job runs next, without threads.
- `server`: the child process. `client`: what a call process holds; its `link` starts, watches and restarts the child.
- `process`: the child held by a supervisor, for several call processes to join.
"""

from aivoice.providers.inference.client import Inference, InferenceSettings, Reply, Ticket
from aivoice.providers.inference.process import shared_inference
from aivoice.providers.inference.schedule import Priority

__all__ = ["Inference", "InferenceSettings", "Priority", "Reply", "Ticket", "shared_inference"]
