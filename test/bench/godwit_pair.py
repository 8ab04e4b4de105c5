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

    def migrate(self, memory, fill="none", channels=2, devices=0, device_options=(), limit="60s"):
        with Processes() as processes:
            source = self._vm(processes, "source", memory, fill, devices, device_options)
            there = self._vm(processes, "destination", memory, fill, devices, device_options, incoming=True)
            processes.first_line(source)
            uri = processes.first_line(there).split()[-1]
            return self._ask(processes.dir / "source.sock", uri, channels, limit)

    def _vm(self, processes, side, memory, fill, devices, device_options, incoming=False):
        words = [self.tool, "vm", "--memory", memory, "--fill", fill, "--vcpus", 1, "--dirty-rate", IDLE_RATE,
                 "--control", processes.dir / f"{side}.sock"]
        for i in range(devices):
            path = processes.dir / f"{side}-dev{i}.sock"
            processes.start(self.tool, "device", *device_options, path)
            wait_until("a device to listen", lambda path=path: listens(path))
            words += ["--device", f"vfio-user:{path}"]
        if incoming:
            words += ["--incoming", "tcp:127.0.0.1:0"]
        return processes.start(*words)

    def _ask(self, control, uri, channels, limit):
        done = subprocess.run([str(self.tool), "migrate", "--control", str(control), "--channels", str(channels),
                               "--downtime-limit", limit, "--json", uri],
                              capture_output=True, text=True, timeout=MIGRATE_S, check=False)
        if done.returncode:
            raise Failed(f"godwit migrate: {done.stderr.strip()}")
        return json.loads(done.stdout)
