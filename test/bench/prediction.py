# SPDX-License-Identifier: BSD-3-Clause
"""How well the downtime is predicted, and whether it stays within its limit: varied migrations by `godwit demo`.

The cases follow from a fixed seed, so that every run measures the same ones.
"""

import json
import random
import statistics
import subprocess

from processes import MIGRATE_S, Failed

SEED = 20
MIB = 1 << 20
LATENCIES_MS = (0, 1, 2, 5, 10, 20, 40, 80)  # of every transition; five of them are in a downtime
LIMITS_MS = (100, 200, 300, 500, 1000)
BANDWIDTHS = (None, None, 50, 100, 200, 400)  # MiB/s
STATES = (1, 2, 4, 8, 16, 32)  # MiB


def case(random_, number):
    """Options of one migration. What cannot fit is not asked for: a limit leaves room for the transitions."""
    latency = random_.choice(LATENCIES_MS)
    bandwidth = random_.choice(BANDWIDTHS)
    devices = random_.randint(0, 4)
    slow = (bandwidth or 1000) < 200
    floor = 5 * latency * bool(devices)
    return {
        "memory": random_.choice((64, 128) if slow else (64, 128, 256)) * MIB,
        "devices": devices,
        "state-size": random_.choice(STATES[:4] if slow else STATES) * MIB,
        "dirty-rate": random_.choice((1, 5, 20, 50, 100)) * min(bandwidth or 100, 100) // 200 * MIB or MIB,
        "transition-latency": f"{latency}ms",
        "bandwidth": bandwidth * MIB if bandwidth else None,
        "channels": random_.choice((1, 2, 4)),
        "downtime-limit": f"{random_.choice([ms for ms in LIMITS_MS if ms > floor + 50])}ms",
        "fill": random_.choice(("half", "half", "all", "none")),
        "seed": number + 1,
    }


def cases(number):
    random_ = random.Random(SEED)
    return [case(random_, i) for i in range(number)]


def migrate(tool, options):
    """The report. A migration that is not completed is a figure as well: it did not stay within its limit."""
    words = [str(tool), "demo", "--cpu", "thread", "--json", "--no-verify", "--max-rounds", "50"]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=MIGRATE_S, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"outcome": "none"}
    if report["outcome"] not in ("completed", "rolled-back"):
        raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
    return report


def measure(tool, number):
    rows = []
    for options in cases(number):
        report = migrate(tool, options)
        rows.append({"options": options, **{key: report.get(key) for key in (
            "outcome", "downtime_limit_ms", "predicted_ms", "predicted", "downtime_ms", "downtime")}})
    return rows


def errors(rows):
    """In percent of the truth, of the migrations that were completed."""
    return sorted(abs(row["predicted_ms"] - row["downtime_ms"]) * 100 / row["downtime_ms"] for row in rows
                  if row["outcome"] == "completed" and row["predicted_ms"] is not None)


def nr_within(rows):
    return sum(row["outcome"] == "completed" and row["downtime_ms"] <= row["downtime_limit_ms"] for row in rows)


def show(rows):
    percent = errors(rows)
    print("\nPrediction of the downtime")
    if percent:
        print(f"  median absolute error {statistics.median(percent):.1f} %, 90th percentile "
              f"{percent[int(len(percent) * 0.9)]:.1f} %")
    print(f"  {nr_within(rows)} of {len(rows)} migrations stayed within the limit they were given "
          f"({sum(row['outcome'] != 'completed' for row in rows)} were rolled back, "
          f"{sum(row['outcome'] == 'completed' and row['predicted_ms'] is None for row in rows)} not predicted)")
    print("  0 to 4 devices of 1 to 32 MiB, transitions of 0 to 80 ms, guests that write 1 to 50 MiB/s, 50 MiB/s to no "
          "bandwidth limit,\n  1 to 4 channels, downtime limits of 100 ms to 1 s; what was predicted when the guest was "
          "paused, against what it took.")
