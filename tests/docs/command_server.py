"""Server that runs commands in forks of a process, which has already imported their modules.

`python -m tests.docs.command_server SOCKET`. Each command of `command_client.py` has its own arguments,
folder, environment, standard streams and exit status.
"""

import importlib
import json
import os
import socket
import socketserver
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ray_jobs.cli import main
from ray_jobs.cluster import prepare_environment
from tests.job import REPOSITORY, python_path

MOST_BYTES = 2**20
MODULES = (
    "ray.data",
    "ray.tune",
    "torchmetrics",
    "torchvision",
    "ray_jobs.local.demo",
    "ray_jobs.local.evaluation",
    "ray_jobs.search.study",
    "ray_jobs.search.tuning",
    "ray_jobs.tables.extraction",
    "ray_jobs.training.multitask",
    "ray_jobs.training.recognition",
)


class Command(socketserver.BaseRequestHandler):
    """Handler of one command, in its own process."""

    request: socket.socket

    def handle(self) -> None:
        message, streams, _, _ = socket.recv_fds(self.request, MOST_BYTES, 3)
        command = json.loads(message)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(command["folder"])
        os.environ.clear()
        os.environ.update(command["environment"])
        prepare_environment()
        sys.argv = ["faceml", *command["arguments"]]
        self.request.sendall(str(exit_status()).encode())


def exit_status() -> int:
    """Run the command line and return its exit status."""
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Fork for each command."""


@contextmanager
def command_server(place: Path, path: str = "") -> Iterator[list[str]]:
    """Start a server, yield the words that begin a command in place of `faceml`, and stop the server.

    Args:
        place: The socket.
        path: First folder of Python's module search path.
    """
    words = [sys.executable, "-m", "tests.docs.command_server", str(place)]
    environment = os.environ | {"PYTHONPATH": python_path(path)}
    with subprocess.Popen(words, cwd=REPOSITORY, env=environment) as server, ExitStack() as ending:
        ending.callback(server.terminate)
        deadline_s = time.monotonic() + 300
        while not place.exists():
            assert server.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        yield [sys.executable, "-I", "-S", str(Path(__file__).with_name("command_client.py")), str(place)]


if __name__ == "__main__":
    for module in MODULES:
        importlib.import_module(module)
    with Server(sys.argv[1], Command) as server:
        server.serve_forever()
