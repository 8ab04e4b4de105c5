# SPDX-License-Identifier: BSD-3-Clause
"""A TCP relay between two VMs that can change what passes or go down, also right before a frame; a false peer."""

import ctypes
import socket
import struct
import threading

HEADER_BYTES = 32  # src/wire/frame.h
FRAMES = {"HELLO": 1, "WELCOME": 2, "MANIFEST": 3, "ACCEPT": 4, "LOADABLE": 6, "PREPARE": 10, "READY": 11, "COMMIT": 13,
          "RUNNING": 14}


class Proxy:
    """Relays every connection to target. to_destination(frame) and to_source(frame) may rewrite the first frame of a
    connection; cut_before names a frame that does not get through: when it first comes on_cut(proxy) is called, which
    by default cuts the network for good."""

    def __init__(self, target_uri, to_destination=None, to_source=None, cut_before=None, on_cut=None):
        _, host, port = target_uri.split(":")
        self.target = (host, int(port))
        self.filters = {"to_destination": to_destination, "to_source": to_source}
        self.lock = threading.Lock()
        self.sockets = []
        self.is_cut = False
        self.hangs_up = False  # what a new connection meets while the network is down: this, or nothing at all
        self.is_up = threading.Event()
        self.is_up.set()
        self.cut_before = cut_before and FRAMES[cut_before]
        self.on_cut = on_cut or Proxy.cut
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                if self.hangs_up and not self.is_up.is_set():
                    near.close()
                    continue
                self.is_up.wait()
                far = socket.create_connection(self.target)
            except OSError:
                return
            with self.lock:
                self.sockets += [near, far]
                late = self.is_cut
            if late:
                self.cut()
                return
            for way, pair in (("to_destination", (near, far)), ("to_source", (far, near))):
                threading.Thread(target=self.relay, args=(*pair, self.filters[way]), daemon=True).start()

    def relay(self, come, go, first):
        try:
            if first:
                go.sendall(first(read_frame(come)))
            if self.cut_before:
                self.relay_frames(come, go)
            while data := come.recv(1 << 16):
                go.sendall(data)
            go.shutdown(socket.SHUT_WR)
        except (OSError, EOFError):
            self.close_pair(come, go)

    def relay_frames(self, come, go):
        while True:
            frame = read_frame(come)
            with self.lock:
                is_it = struct.unpack_from("<H", frame, 4)[0] == self.cut_before
                self.cut_before = None if is_it else self.cut_before
            if is_it:
                self.on_cut(self)
                raise EOFError
            go.sendall(frame)

    @staticmethod
    def close_pair(*pair):
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def down(self, hangs_up=False):
        """All connections end at once, and new ones get nowhere until it is up again."""
        self.hangs_up = hangs_up
        self.is_up.clear()
        with self.lock:
            sockets, self.sockets = self.sockets, []
        self.close_pair(*sockets)

    def up(self):
        self.is_up.set()

    def down_for(self, seconds, hangs_up=False):
        """Returns at once; the network is back after so long."""
        self.down(hangs_up)
        threading.Timer(seconds, self.up).start()

    def cut(self):
        """All connections end, at once and in both directions, and no new one comes through."""
        with self.lock:
            self.is_cut = True
            sockets = list(self.sockets)
        self.is_up.set()
        self.close_pair(*sockets, self.listener)


def read_exactly(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(s):
    header = read_exactly(s, HEADER_BYTES)
    return header + read_exactly(s, struct.unpack_from("<I", header, 8)[0])


def with_body(frame, body):
    """The frame with another body of the same length, and the checksum that belongs to it."""
    xxhash = ctypes.CDLL("libxxhash.so.0")
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    xxhash.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
    summed = frame[:24] + body
    return frame[:24] + struct.pack("<Q", xxhash.XXH3_64bits(summed, len(summed))) + body


def hello_from_the_future(frame):
    """HELLO begins with the lowest and the highest version that the sender speaks."""
    return with_body(frame, struct.pack("<HH", 900, 901) + frame[HEADER_BYTES + 4:])


def welcome_from_the_future(frame):
    """WELCOME begins with the version chosen."""
    return with_body(frame, struct.pack("<H", 900) + frame[HEADER_BYTES + 2:])


class Server:
    """Takes connections and gives each to talk(socket), in a thread of its own."""

    def __init__(self, talk):
        self.talk = talk
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s:
            try:
                self.talk(s)
            except OSError:
                pass

    def close(self):
        self.listener.close()
