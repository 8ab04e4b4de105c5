# SPDX-License-Identifier: BSD-3-Clause
"""QEMU migration streams: made by a QEMU that is installed, or put together by hand around a device's state."""

import json
import shutil
import socket
import struct
import subprocess
import threading

from harness import Failed, Skip, expect, wait_for

QEMU = "qemu-system-x86_64"
END, CONFIG, SETUP, DATA, INIT_DATA_SENT = (0xffffffffef100000 + n for n in (1, 2, 3, 4, 5))
START, PART, LAST, FULL = 1, 2, 3, 4
SECTION = 9


class Qemu:
    """A small machine under TCG that never runs, asked over QMP."""

    def __init__(self, stage, *words):
        if not shutil.which(QEMU):
            raise Skip(f"there is no {QEMU} here")
        path = stage.path("qmp.sock")
        self.process = subprocess.Popen(
            [QEMU, "-machine", "pc,accel=tcg", "-m", "64", "-nodefaults", "-nographic", "-S",
             "-qmp", f"unix:{path},server=on,wait=off", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stage.processes.append(self.process)
        self.socket = socket.socket(socket.AF_UNIX)
        stage.closers.append(self.socket.close)
        wait_for("QEMU to listen", lambda: self.is_up(path))
        self.socket.settimeout(30)
        self.lines = self.socket.makefile()
        self.version = json.loads(self.lines.readline())["QMP"]["version"]["qemu"]
        self.ask("qmp_capabilities")

    def is_up(self, path):
        expect(self.process.poll() is None, f"QEMU ended with exit code {self.process.returncode}")
        return self.socket.connect_ex(str(path)) == 0

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def capability(self, name):
        self.ask("migrate-set-capabilities", capabilities=[{"capability": name, "state": True}])

    def migrate(self, uri):
        """To its end; what query-migrate tells then."""
        self.ask("migrate", uri=uri)
        wait_for("the migration", lambda: self.ask("query-migrate").get("status") in ("completed", "failed"))
        answer = self.ask("query-migrate")
        expect(answer["status"] == "completed", f"QEMU's migration: {answer}")
        return answer

    def quit(self):
        self.socket.sendall(b'{"execute":"quit"}\n')
        self.process.wait(30)


class Channels:
    """Takes QEMU's connections, the main channel and those of multifd, and writes each to a file of its own."""

    def __init__(self, stage):
        self.path, self.stage = stage.path("channels.sock"), stage
        self.files, self.threads = [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        stage.closers.append(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                channel, _ = self.listener.accept()
            except OSError:
                return
            path = self.stage.path(f"channel{len(self.files)}")
            thread = threading.Thread(target=self.keep, args=(channel, path), daemon=True)
            self.files.append(path)
            self.threads.append(thread)
            thread.start()

    @staticmethod
    def keep(channel, path):
        with channel, open(path, "wb") as out:
            while data := channel.recv(1 << 16):
                out.write(data)

    def ended(self):
        """The files, the main channel's first, once QEMU has closed all of them."""
        for thread in self.threads:
            thread.join(30)
            expect(not thread.is_alive(), "a channel did not end")
        return sorted(self.files, key=lambda path: path.read_bytes()[:4] != b"QEVM")


def be64(*numbers):
    return b"".join(struct.pack(">Q", number) for number in numbers)


def named(name):
    return bytes([len(name)]) + name.encode()


def section(element, name, payload):
    begin = named(name) + struct.pack(">II", 0, 1) if element in (START, FULL) else b""
    number = struct.pack(">I", SECTION)
    return bytes([element]) + number + begin + payload + b"\x7e" + number


def data(state, size):
    return b"".join(be64(DATA, len(piece)) + piece for piece in pieces(state, size))


def pieces(state, size):
    return [state[at:at + size] for at in range(0, len(state), size)]


def pci_state(pci):
    """VFIOPCIDevice: version, config space, interrupts, no MSI-X."""
    config = bytearray(256)
    struct.pack_into("<HH", config, 0, pci["vendor"], pci["device"])
    struct.pack_into("<I", config, 8, pci["class"] << 8 | pci["revision"])
    struct.pack_into("<HH", config, 0x2c, pci["subsystem_vendor"], pci["subsystem_device"])
    return be64(CONFIG) + struct.pack(">I", 2) + config + bytes(16) + be64(END)


def main_channel(name, precopy, stop_copy, config):
    """A stream of a VM with a VFIO device, a section of which nothing is known beside it."""
    return (b"QEVM" + struct.pack(">I", 3) + b"\x07" + struct.pack(">I", 6) + b"pc-9.2"
            + section(START, name, be64(SETUP, END))
            + section(PART, name, data(precopy, 1 << 20) + be64(INIT_DATA_SENT))
            + b"\x08" + struct.pack(">HH", 11, 0)
            + section(LAST, name, data(stop_copy, 1 << 20) + be64(END))
            + section(FULL, name, config or be64(END)) + b"\x00")


def packet(name, index, payload, is_config=False):
    payload = struct.pack(">III", 0, index, is_config) + payload
    return (struct.pack(">III", 0x11223344, 1, 0x40) + name.encode().ljust(256, b"\0")
            + struct.pack(">II", 0, len(payload)) + payload)


def multifd_channels(name, stop_copy, config, nr):
    """The buffers of a device spread over channels, on each in an order of its own."""
    buffers = [packet(name, index, piece) for index, piece in enumerate(pieces(stop_copy, 100_000))]
    buffers.append(packet(name, len(buffers), config, True))
    heads = [struct.pack(">II16xB39x", 0x11223344, 1, number) for number in range(nr)]
    return [heads[n] + b"".join(reversed(buffers[n::nr])) for n in range(nr)]
