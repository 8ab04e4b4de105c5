# SPDX-License-Identifier: BSD-3-Clause
"""What `godwit estimate` says of devices, against what a migration of a VM with such devices then takes."""

import statistics

MIB = 1 << 20
MEMORY = 128 * MIB
# (devices, options of each, bandwidth in MiB/s)
CASES = (
    (2, (), 200),
    (2, ("--transition-latency", "20ms"), 200),
    (4, ("--transition-latency", "50ms", "--state-size", 16 * MIB), 200),
    (2, ("--no-precopy", "--state-size", 32 * MIB), 200),
    (2, ("--no-precopy", "--state-size", 16 * MIB, "--load-rate", 50 * MIB), 200),
    (2, ("--no-precopy", "--state-size", 16 * MIB, "--read-rate", 50 * MIB, "--transition-latency", "10ms"), 200),
    (1, ("--no-p2p", "--transition-latency", "20ms", "--state-size", 8 * MIB), 100),
)


def measure(godwit, runs):
    rows = []
    for devices, options, bandwidth in CASES:
        row = {"devices": devices, "options": [str(o) for o in options], "bandwidth": bandwidth * MIB,
               "estimated": [], "measured": []}
        for _ in range(runs):
            expected = godwit.estimate(MEMORY, devices, options, bandwidth * MIB)
            row["estimated"].append(expected)
            # Under a wider limit the migration would pause its guest before the devices' pre-copy is through.
            limit = round(expected["downtime_ms"] * 1.2 + 60)
            report = godwit.migrate(MEMORY, "none", devices=devices, device_options=options, limit=f"{limit}ms",
                                    bandwidth=bandwidth * MIB)
            row["measured"].append({"downtime_ms": report["downtime_ms"], **report["downtime"]})
        rows.append(row)
    return rows


def median(row, which, key):
    return statistics.median(figures[key] for figures in row[which])


def show(_, rows):
    print("\nEstimate without a migration, ms")
    for row in rows:
        print(f"  {row['devices']} devices {' '.join(row['options']) or 'as they are'}, {row['bandwidth'] // MIB} MiB/s")
        for key in row["measured"][0]:
            estimated, measured = median(row, "estimated", key), median(row, "measured", key)
            if max(estimated, measured) >= 0.5:
                print(f"    {key:<12} estimated {estimated:>8.1f}  took {measured:>8.1f}  ({estimated - measured:+.1f})")
    print("  Medians; the same kind of devices, measured idle and then migrated with a guest at work. Not in the estimate: the "
          "vCPUs' pause,\n  messages and threads, and what the guest's work left dirty in the devices.")
