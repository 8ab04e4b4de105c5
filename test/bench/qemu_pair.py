# SPDX-License-Identifier: BSD-3-Clause
"""RAM migration by QEMU, over multifd channels and loopback TCP, of guests that stand still and have no devices."""

import json
import os
import shutil
import socket

from processes import MIGRATE_S, Failed, Processes, wait_until

TOOL = "qemu-system-x86_64"
BLOCK_BYTES = 16 << 20


def version():
    """None: it is not installed."""
    if not shutil.which(TOOL):
        return None
    with os.popen(f"{TOOL} --version") as out:
        return out.readline().split(" (")[0].strip()


class Memory:
    """A memfd with what a guest has in its RAM: random bytes, or zeros; every page of it is there."""

    def __init__(self, size, random):
        self.size = size
        self.fd = os.memfd_create("qemu-ram")
        block = os.urandom(BLOCK_BYTES) if random else bytes(BLOCK_BYTES)
        for at in range(0, size, BLOCK_BYTES):
            os.pwrite(self.fd, block[:size - at], at)

    def close(self):
        os.close(self.fd)


class Monitor:
    """QMP over a socket that QEMU listens on."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        wait_until("QEMU's monitor", lambda: self.socket.connect_ex(str(path)) == 0)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        for line in self.lines:
            answer = json.loads(line)
            if "error" in answer:
                raise Failed(f"QEMU's {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise Failed(f"QEMU ended at {command}")

    def use_multifd(self, channels):
        self.ask("migrate-set-capabilities", capabilities=[{"capability": "multifd", "state": True}])
        self.ask("migrate-set-parameters", **{"multifd-channels": channels, "max-bandwidth": 1 << 40})


class Qemu:
    """Migrates; one Memory serves many times, as the guest does not run."""

    def migrate(self, memory, channels):
        """Seconds of the migration without its setup."""
        with Processes() as processes:
            source = self._start(processes, "source", memory.size, memory.fd)
            there = self._start(processes, "destination", memory.size, None, "-incoming", "defer")
            source.use_multifd(channels)
            there.use_multifd(channels)
            there.ask("migrate-incoming", uri="tcp:127.0.0.1:0")
            port = there.ask("query-migrate")["socket-address"][0]["port"]
            source.ask("migrate", uri=f"tcp:127.0.0.1:{port}")
            done = wait_until("QEMU's migration", lambda: self._ended(source), MIGRATE_S)
            return (done["total-time"] - done["setup-time"]) / 1000

    @staticmethod
    def _start(processes, side, size, fd, *more):
        backend = f"memory-backend-file,mem-path=/proc/self/fd/{fd}" if fd else "memory-backend-memfd,prealloc=on"
        path = processes.dir / f"{side}.qmp"
        processes.start(TOOL, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg",
                        "-machine", "q35,memory-backend=m", "-m", f"{size >> 20}M",
                        "-object", f"{backend},id=m,share=on,size={size}",
                        "-qmp", f"unix:{path},server=on,wait=off", *more, fds=(fd,) if fd else ())
        monitor = Monitor(path)
        processes.callback(monitor.socket.close)
        return monitor

    @staticmethod
    def _ended(monitor):
        now = monitor.ask("query-migrate")
        if now.get("status") in ("failed", "cancelled"):
            raise Failed(f"QEMU's migration {now['status']}: {now.get('error-desc', '')}")
        return now if now.get("status") == "completed" else None
