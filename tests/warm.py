"""A Python that has loaded messsim and runs its commands in forks: the code of pages has hundreds of them.

``python warm.py SOCKET`` serves; ``python warm.py SOCKET ARGUMENT...`` runs ``messsim ARGUMENT...`` there, with this
process's files, folder and environment.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

LARGEST = 1 << 20  # of a command with its environment, bytes


def serve(path: str) -> None:
    """Until it is killed."""
    import messsim.api.studies
    import messsim.cli
    import messsim.report.pages.report  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(16)
        while True:
            asking, _ = listening.accept()
            with asking:
                if os.fork() == 0:
                    listening.close()
                    run(asking)


def run(asking: socket.socket) -> None:
    """In a fork: the command that was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, files, _, _ = socket.recv_fds(asking, LARGEST, 3)
    arguments, folder, environment = json.loads(text)
    for file, number in zip(files, range(3), strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["messsim", *arguments]
    from messsim.cli import main

    try:
        code = main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    asking.sendall(str(code or 0).encode())
    os._exit(0)


def ask(path: str, arguments: list[str]) -> int:
    """The exit code of a command that ran there; 70 if it came to an end without one."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        message = json.dumps([arguments, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(server, [message], [0, 1, 2])
        return int(server.recv(16) or 70)


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
