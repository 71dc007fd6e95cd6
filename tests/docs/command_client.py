"""Client of `tests/docs/command_server.py`: `python command_client.py SOCKET ARGUMENT...`."""

import json
import os
import socket
import sys
from pathlib import Path

place, *arguments = sys.argv[1:]
command = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
with socket.socket(socket.AF_UNIX) as server:
    server.connect(place)
    socket.send_fds(server, [json.dumps(command).encode()], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
