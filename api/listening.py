"""Uvicorn as this service runs it: one process, or several that share a port evenly; no answer is held back."""

import logging
import os
import signal
import socket
import sys
from copy import deepcopy
from multiprocessing import parent_process
from threading import Thread
from typing import Any, Final

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.supervisors import Multiprocess

DEALT = sys.platform == "linux"  # the system deals connections among the sockets of one port
# Seconds that a silent connection is kept. What is sent over it just as this side hangs up is lost, so the other side
# should be first: balancers and clients keep theirs for a minute at most, as a rule.
KEPT: Final = 75
PROBED: Final = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by whatever watches the service


class Unprobed(logging.Filter):
    """Leaves out of the access log what is asked every few seconds, unless it was answered by an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Uvicorn's arguments are the client, the method, the path, the version of HTTP and the status."""
        if not isinstance(record.args, tuple):
            return True
        _, _, path, _, status = record.args
        return str(path).partition("?")[0] not in PROBED or int(str(status)) >= 400


class Port(socket.socket):
    """A port to listen on. What is written to its connections is sent at once; a worker gets a socket of its own.

    asyncio sees to the first only where it opened the socket itself: without it an answer in two writes waits some
    40 ms for the client to acknowledge the first. And of one socket for all, the worker that wakes first takes whatever
    connections wait, so that one may have them all.
    """

    @classmethod
    def opened(cls, family: int, address: tuple[Any, ...]) -> "Port":
        """Bound to the address, beside the others that are."""
        found = cls(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if DEALT:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(address)
        return found

    def __reduce__(self) -> Any:
        return Port.opened, (self.family, self.getsockname())


class Listening(uvicorn.Config):
    """Uvicorn's settings, with a `Port` for its workers, which end when nobody is left to start them again."""

    def load(self) -> None:
        """A worker calls this as it starts."""
        Thread(target=_end_with_parent, name="parent", daemon=True).start()
        super().load()

    def bind_socket(self) -> socket.socket:
        """The port; it is free, or the message says that it is not."""
        tried = super().bind_socket()
        if not DEALT:
            tried.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return tried
        family, address = tried.family, tried.getsockname()
        tried.close()
        return Port.opened(family, address)


def _end_with_parent() -> None:
    """Ends this worker gracefully once its parent is gone, as when that was killed: it would hold the port for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def serve(app: str, workers: int, **options: Any) -> None:
    """Serves the application that the factory `app` makes, until interrupted."""
    options = {"timeout_keep_alive": KEPT, "log_config": _logging(), **options}
    if workers > 1:
        config = Listening(app, factory=True, workers=workers, **options)
        Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        uvicorn.run(app, factory=True, **options)


def _logging() -> dict[str, Any]:
    """Uvicorn's own, but for the probes."""
    found = deepcopy(LOGGING_CONFIG)
    found["filters"] = {"unprobed": {"()": Unprobed}}
    found["loggers"]["uvicorn.access"]["filters"] = ["unprobed"]
    return found
