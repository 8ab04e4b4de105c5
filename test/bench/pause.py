# SPDX-License-Identifier: BSD-3-Clause
"""How long it takes until all vCPUs of KVM's guest, busy as they are, stand still: the part "pause" of the downtime.

A guest without devices moves from VM to VM; each move is one measurement.
"""

import json
import os
import statistics
import subprocess

from processes import MIGRATE_S, Failed, Processes

VCPUS = 4
MIB = 1 << 20


def vm(tool, processes, number, cpu):
    """A VM, and what it says of itself: the URI, or that its guest runs; then what executes it."""
    words = [tool, "vm", "--cpu", cpu, "--vcpus", VCPUS, "--memory", 32 * MIB, "--dirty-rate", "0", "--control",
             processes.dir / f"{number}.sock"]
    if number:
        words += ["--incoming", "tcp:127.0.0.1:0"]
    process = processes.start(*words)
    return process, processes.first_line(process)


def host(tool):
    """What this machine's KVM is, in a few words; None: there is none."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return None
    with Processes() as processes:
        _, line = vm(tool, processes, 0, "auto")
    return line.removeprefix("the guest runs on ").removeprefix("threads: ")


def move(tool, control, uri):
    done = subprocess.run([str(tool), "migrate", "--control", str(control), "--downtime-limit", "60s", "--json", uri],
                          capture_output=True, text=True, timeout=MIGRATE_S, check=False)
    if done.returncode:
        raise Failed(f"godwit migrate: {done.stderr.strip()}")
    return json.loads(done.stdout)["downtime"]["pause_ms"]


def measure(tool, number):
    """{what this KVM is: [ms]}, empty where there is none."""
    here = host(tool)
    if not here:
        return {}
    times = []
    with Processes() as processes:
        source, _ = vm(tool, processes, 0, "kvm")
        for i in range(1, number + 1):
            there, line = vm(tool, processes, i, "kvm")
            times.append(move(tool, processes.dir / f"{i - 1}.sock", line.split()[-1]))
            source.kill()
            source.wait()
            source = there
    return {here: sorted(times)}


def show(_, rows):
    print("\nPause of KVM's vCPUs, ms")
    if not rows:
        print("  not measured: there is no /dev/kvm here")
    for here, times in rows.items():
        print(f"  median {statistics.median(times):.3f}, 99th percentile {times[min(len(times) - 1, len(times) * 99 // 100)]:.3f}, "
              f"largest {times[-1]:.3f}, of {len(times)}\n"
              f"  {VCPUS} vCPUs that write as fast as they can, from the order until all stand still and no interrupt is on its "
              f"way.\n  The host: {here}")
