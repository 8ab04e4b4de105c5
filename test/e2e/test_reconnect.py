# SPDX-License-Identifier: BSD-3-Clause
"""The network goes and comes back in the middle of a migration, or does not: it goes on from what has arrived, or
rolls back when the time is up."""

import time

from harness import ROLLED_BACK, expect, expect_sentence
from proxy import Proxy

BACK_S = 1.5
SLOW = ("--bandwidth", "8M")
# All of its state is sent while the guest is paused: some seconds of stop-copy at that bandwidth.
LONG_STOP_COPY = ("--state-size", "24M", "--no-precopy")
LONG_PAUSE = ("--downtime-limit", "20s")


class Move:
    """A migration through a proxy, with its events."""

    def __init__(self, stage, *words, **more):
        self.stage = stage
        self.source, self.destination = stage.source(**more), stage.destination(**more)
        self.proxy = Proxy(self.destination.incoming)
        stage.closers.append(self.proxy.cut)
        self.events = self.source.watch()
        self.migrate = stage.migrate_start(self.source, self.proxy.uri, *SLOW, *words)

    def wait_event(self, what, condition):
        for event in self.events:
            expect(event["event"] == "progress", f"it ended before {what}: {event}")
            if condition(event):
                return event
        return expect(False, f"no {what}")

    def in_precopy(self):
        self.wait_event("pre-copy under way",
                        lambda e: e["phase"] == "pre-copy" and e["ram"]["sent_bytes"] > 4 << 20)
        return self

    def in_stop_copy(self):
        """The guest is paused, and it takes seconds to send the rest."""
        self.wait_event("stop-copy under way", lambda e: e["phase"] == "drain")
        return self

    def reconnecting(self):
        self.wait_event("reconnecting", lambda e: e["phase"] == "reconnecting")

    def completes(self):
        done = self.stage.finish(self.migrate, 90)
        self.stage.expect_moved(self.source, self.destination, done)
        expect(done.report["reconnects"] >= 1, "it never noticed")
        return done.report


def case_in_precopy(stage):
    """It goes on, and does not begin anew: what had arrived is not sent again."""
    move = Move(stage, memory="32M", dirty_rate="1M").in_precopy()
    move.proxy.down_for(BACK_S)
    move.reconnecting()
    report = move.completes()
    expect(report["ram"]["bytes"] < 2 * (32 << 20), f"{report['ram']['bytes']} bytes sent for 32 MiB")


def case_in_precopy_while_connections_are_closed_at_once(stage):
    """Something answers for the network, and hangs up: a relay whose far side is gone."""
    move = Move(stage, memory="32M", dirty_rate="1M").in_precopy()
    move.proxy.down_for(BACK_S, hangs_up=True)
    move.completes()


def case_in_stop_copy(stage):
    move = Move(stage, *LONG_PAUSE, memory="16M", dirty_rate="1M", device_options=LONG_STOP_COPY).in_stop_copy()
    move.proxy.down_for(BACK_S)
    report = move.completes()
    expect(report["downtime_ms"] > BACK_S * 1000, f"a downtime of {report['downtime_ms']} ms holds {BACK_S} s of no network")
    sent = report["devices"][0]["stop_copy_bytes"]
    expect(sent < 2 * (24 << 20), f"{sent} bytes of device state for 24 MiB")


def case_several_times(stage):
    move = Move(stage, memory="32M", dirty_rate="1M").in_precopy()
    for nr in range(1, 4):
        move.proxy.down_for(0.3)
        move.wait_event("the connection to be back", lambda e: e["phase"] != "reconnecting" and e["reconnects"] >= nr)
    expect(move.completes()["reconnects"] >= 3, "it broke three times")


def never_back(stage, move, *words):
    move.proxy.down()
    began = time.monotonic()
    done = stage.finish(move.migrate)
    took = time.monotonic() - began
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, *words)
    expect(2.5 < took < 20, f"given up after {took:.1f} s, not after 3 s")
    move.source.expect_guest()
    for device in done.report["devices"]:
        last = [arc["to"] for arc in device["transitions"] if arc["side"] == "source"][-1]
        expect(last == "RUNNING", f"{device['id']} is left in {last}")
    move.destination.wait_state("failed")
    move.destination.expect_no_guest()
    return done.report


def case_never_back_in_precopy(stage):
    report = never_back(stage, Move(stage, "--reconnect", "3s").in_precopy(), "did not come back")
    expect("blackout_ms" not in report, "the guest was paused")


def case_never_back_in_stop_copy(stage):
    move = Move(stage, "--reconnect", "3s", *LONG_PAUSE, memory="16M", dirty_rate="1M", device_options=LONG_STOP_COPY)
    report = never_back(stage, move.in_stop_copy(), "did not come back")
    expect(report["blackout_ms"] > 2500, f"a blackout of {report['blackout_ms']} ms, and it waited for 3 s")


def case_not_wanted(stage):
    """--reconnect 0: the first break is the end."""
    move = Move(stage, "--reconnect", "0").in_precopy()
    began = time.monotonic()
    move.proxy.down()
    done = stage.finish(move.migrate)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(time.monotonic() - began < 5, "it waited for what was not wanted")
    move.source.expect_guest()
    move.destination.wait_state("failed")


def case_the_destination_is_gone(stage):
    """Its port is closed: nobody will come back, and nobody waits for it."""
    move = Move(stage).in_precopy()
    began = time.monotonic()
    move.destination.kill()
    move.proxy.cut()
    done = stage.finish(move.migrate)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(time.monotonic() - began < 15, "it waited for a port that is closed")
    move.source.expect_guest()


def case_cancelled_while_it_is_down(stage):
    move = Move(stage).in_precopy()
    move.proxy.down()
    move.reconnecting()
    done = stage.run("vm", "--control", move.source.control, "cancel")
    expect(done.code == 0, f"cancel: exit code {done.code}: {done.err}")
    done = stage.finish(move.migrate)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, "cancel")
    move.source.expect_guest()


def lost_message(stage, message):
    """The network goes right before a message of the handover, and is back a moment later: it is said again. Without
    that the outcome would be another (test_handover.py)."""
    source, destination = stage.source(), stage.destination()
    proxy = Proxy(destination.incoming, cut_before=message, on_cut=lambda p: p.down_for(0.5))
    stage.closers.append(proxy.cut)
    stage.expect_moved(source, destination, stage.migrate(source, proxy.uri))
    expect(proxy.cut_before is None, f"there was no {message}")


def case_prepare_lost(stage):
    lost_message(stage, "PREPARE")


def case_ready_lost(stage):
    lost_message(stage, "READY")


def case_commit_lost(stage):
    lost_message(stage, "COMMIT")


def case_running_lost(stage):
    """The guest runs over there by then; the source learns it late, and does not stay behind as owner-unknown."""
    lost_message(stage, "RUNNING")


def case_for_people(stage):
    source, destination = stage.source(memory="32M", dirty_rate="1M"), stage.destination(memory="32M")
    proxy = Proxy(destination.incoming)
    stage.closers.append(proxy.cut)
    process = stage.start("migrate", "migrate", "--control", source.control, *SLOW, proxy.uri, stdout=-1, stderr=-1,
                          text=True)
    source.wait_precopy()
    proxy.down_for(2.5)
    done = stage.finish(process)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect("reconnecting" in done.out, f"no word of it in the progress:\n{done.out}")
    expect("reconnected  1 time" in done.out, f"no word of it in the report:\n{done.out}")
