# SPDX-License-Identifier: BSD-3-Clause
"""A migration between two VMs of godwit, started as a user would start them; gives the report."""

import json
import socket
import subprocess

from processes import MIGRATE_S, Failed, Processes, wait_until

IDLE_RATE = "1M"  # of a guest that is hardly there


def listens(path):
    with socket.socket(socket.AF_UNIX) as knock:
        return not knock.connect_ex(str(path))


class Godwit:
    def __init__(self, build):
        self.tool = build / "godwit"

    def migrate(self, memory, fill="none", channels=2, devices=0, device_options=(), limit="60s", bandwidth=None):
        with Processes() as processes:
            source = self._vm(processes, "source", memory, fill, devices, device_options)
            there = self._vm(processes, "destination", memory, fill, devices, device_options, incoming=True)
            processes.first_line(source)
            uri = processes.first_line(there).split()[-1]
            return self._ask(processes.dir / "source.sock", uri, channels, limit, bandwidth)

    def estimate(self, memory, devices, device_options, bandwidth):
        """The parts of the downtime that `godwit estimate` expects, and their sum."""
        with Processes() as processes:
            uris = self._devices(processes, "estimated", devices, device_options)
            done = subprocess.run([str(self.tool), "estimate", "--json", "--bandwidth", str(bandwidth), "--memory",
                                   str(memory), "--dirty-rate", IDLE_RATE, *uris],
                                  capture_output=True, text=True, timeout=MIGRATE_S, check=False)
        if done.returncode:
            raise Failed(f"godwit estimate: {done.stderr.strip()}")
        document = json.loads(done.stdout)
        return {"downtime_ms": document["downtime_ms"], **document["downtime"]}

    def _devices(self, processes, side, devices, device_options):
        """Their URIs."""
        paths = [processes.dir / f"{side}-dev{i}.sock" for i in range(devices)]
        for path in paths:
            processes.start(self.tool, "device", *device_options, path)
            wait_until("a device to listen", lambda path=path: listens(path))
        return [f"vfio-user:{path}" for path in paths]

    def _vm(self, processes, side, memory, fill, devices, device_options, incoming=False):
        words = [self.tool, "vm", "--cpu", "thread", "--memory", memory, "--fill", fill, "--vcpus", 1, "--dirty-rate", IDLE_RATE,
                 "--control", processes.dir / f"{side}.sock"]
        for uri in self._devices(processes, side, devices, device_options):
            words += ["--device", uri]
        if incoming:
            words += ["--incoming", "tcp:127.0.0.1:0"]
        return processes.start(*words)

    def _ask(self, control, uri, channels, limit, bandwidth):
        limited = ["--bandwidth", str(bandwidth)] if bandwidth else []
        done = subprocess.run([str(self.tool), "migrate", "--control", str(control), "--channels", str(channels),
                               "--downtime-limit", limit, *limited, "--json", uri],
                              capture_output=True, text=True, timeout=MIGRATE_S, check=False)
        if done.returncode:
            raise Failed(f"godwit migrate: {done.stderr.strip()}")
        return json.loads(done.stdout)
