# SPDX-License-Identifier: BSD-3-Clause
"""A relay before a vfio-user socket, with the faults that only who accepts connections can have."""

import socket
import threading

MAX_FDS = 16
MAX_BYTES = 1 << 16


class Relay:
    """Serves path, for as long as the process lives, by connections to target.

    With "drop-first" a client is hung up on when another one comes.
    """

    def __init__(self, path, target, fault):
        if fault != "drop-first":
            raise ValueError(f"there is no fault relay:{fault}")
        self.target = str(target)
        self.near = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            if self.near:
                hang_up(self.near)
            self.near = near
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            for come, go in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=(come, go), daemon=True).start()


def pass_on(come, go):
    """All bytes, and the descriptors that go with them, until one side hangs up: then so does the other."""
    try:
        while True:
            data, fds, _, _ = socket.recv_fds(come, MAX_BYTES, MAX_FDS)
            if not data:
                break
            sent = socket.send_fds(go, [data], fds) if fds else go.send(data)
            for fd in fds:
                socket.close(fd)
            go.sendall(data[sent:])
    except OSError:
        pass
    hang_up(come)
    hang_up(go)


def hang_up(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
