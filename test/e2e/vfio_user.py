# SPDX-License-Identifier: BSD-3-Clause
"""A small vfio-user client: enough to put something into a device's memory and to look at it."""

import json
import socket
import struct

VERSION, REGION_READ, REGION_WRITE = 1, 9, 10
HEADER = struct.Struct("<HHIII")
ACCESS = struct.Struct("<QII")
BAR_MEMORY = 2
MOST_BYTES = 64 * 1024


class Client:
    """Connected from "with" to its end. What goes wrong is an exception."""

    def __init__(self, uri):
        self.path = uri.removeprefix("vfio-user:")
        self.next_id = 0

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(self.path)
        self.call(VERSION, struct.pack("<HH", 0, 1) + json.dumps({"capabilities": {}}).encode() + b"\0")
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise OSError("the device server closed the connection")
            data += piece
        return data

    def call(self, command, body):
        self.next_id += 1
        self.socket.sendall(HEADER.pack(self.next_id, command, HEADER.size + len(body), 0, 0) + body)
        answer_id, answered, size, flags, error = HEADER.unpack(self.receive(HEADER.size))
        body = self.receive(size - HEADER.size)
        if flags & 0x20:
            raise OSError(error, f"command {command} was refused")
        assert (answer_id, answered) == (self.next_id, command)
        return body

    def read(self, offset, size):
        return self.call(REGION_READ, ACCESS.pack(offset, BAR_MEMORY, size))[ACCESS.size:]

    def write(self, offset, data):
        self.call(REGION_WRITE, ACCESS.pack(offset, BAR_MEMORY, len(data)) + data)


def write_memory(uri, data):
    with Client(uri) as client:
        for at in range(0, len(data), MOST_BYTES):
            client.write(at, data[at:at + MOST_BYTES])


def read_memory(uri, size):
    with Client(uri) as client:
        return b"".join(client.read(at, min(MOST_BYTES, size - at)) for at in range(0, size, MOST_BYTES))
