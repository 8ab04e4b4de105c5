# SPDX-License-Identifier: BSD-3-Clause
"""A guest that writes faster than it can be sent: what was asked for in that case is done, and said."""

from harness import ROLLED_BACK, expect, expect_sentence

# Three times what may be sent, over RAM that takes half a second to send: no number of rounds helps.
TOO_FAST = {"memory": "16M", "dirty_rate": "100M"}
WORDS = ("--bandwidth", "32M", "--downtime-limit", "100ms")


def two_sides(stage):
    return stage.side("source", "--fill", "all", **TOO_FAST).worked(), stage.destination(**TOO_FAST)


def too_fast(stage, *words):
    source, destination = two_sides(stage)
    return source, destination, stage.migrate(source, destination.incoming, *WORDS, *words, seconds=120)


def case_throttle(stage):
    """The vCPUs are slowed down until it fits; over there they have their full speed again."""
    source, destination, done = too_fast(stage, "--on-no-converge", "throttle")
    stage.expect_moved(source, destination, done)
    percent = done.report["handover"]["throttle_percent"]
    expect(0 < percent < 100, f"throttle_percent {percent}")
    expect(destination.status()["guest"]["throttle_percent"] == 0, "slowed down at the destination too")


def case_throttled_and_rolled_back(stage):
    """A guest that stays has its speed back. Who watches sees it slowed down."""
    source, destination = two_sides(stage)
    done = stage.run("migrate", "--control", source.control, *WORDS, "--on-no-converge", "throttle", "--max-time", "8s",
                     "--downtime-limit", "40ms", destination.incoming)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    for text in (", vCPUs slowed by ", "throttled    vCPUs slowed by "):
        expect(text in done.out, f'no "{text}" in:\n{done.out}')
    stage.expect_stayed(source, done)
    expect(source.status()["guest"]["throttle_percent"] == 0, "still slowed down")


def case_cancel(stage):
    source, destination, done = too_fast(stage, "--on-no-converge", "cancel")
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(done.report["handover"]["throttle_percent"] == 0, f"{done.report['handover']}")
    stage.expect_stayed(source, done, "round")
    destination.expect_no_guest()


def case_wait_until_max_time(stage):
    source, destination, done = too_fast(stage, "--max-time", "3s")
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(3000 < done.report["total_ms"] < 15000, f"given up after {done.report['total_ms']} ms, not after 3 s")
    stage.expect_stayed(source, done)
    destination.expect_no_guest()


for case in (case_throttle, case_throttled_and_rolled_back):
    case.seconds = 180
