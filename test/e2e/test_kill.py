# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 of either VM, or of the network between them, at random moments of many migrations (--kills, --seed).

Never may two guests run, and one must be able to run wherever its host is still there: by itself, or by
"godwit vm resume" after owner-unknown. Half of the migrations have an arbiter: then no owner-unknown may last. A network
that comes back in time leaves a migration that completes. The moments are drawn twice: over the whole migration, and in the
few milliseconds around the switchover, where the handover is.
"""

import random
import time

from harness import Failed, expect, wait_for
from proxy import Proxy

MEMORY = "32M"
SETTLED = ("running", "failed", "moved", "incoming")
RECONNECT = ("0", "500ms", "2s")
BEFORE_THE_PAUSE = ("idle", "connect", "manifest", "setup", "pre-copy")


class Attempt:
    """One migration with fresh VMs, to be disturbed at a moment that the seed and the number determine."""

    def __init__(self, stage, number, through_proxy):
        draw = random.Random(f"{stage.settings.seed}-{number}")
        self.from_pause = draw.random() < 0.6
        self.delay = draw.uniform(0, 0.12 if self.from_pause else 0.6)
        self.back_after = draw.choice((0.05, 0.5, 1.5))
        latency = draw.choice(("0", "10ms", "30ms"))
        self.reconnect = draw.choice(RECONNECT)
        self.arbiter = ()
        if draw.random() < 0.5:
            place = stage.path(f"arbiter-{number}")
            place.mkdir()
            self.arbiter = ("--arbiter", f"file:{place}")
        sides = {"memory": MEMORY, "device_options": ("--state-size", "1M", "--transition-latency", latency)}
        self.stage = stage
        self.source = stage.source(f"source-{number}", dirty_rate="20M", **sides)
        self.destination = stage.side(f"destination-{number}", "--incoming", "tcp:127.0.0.1:0", *self.arbiter, **sides)
        self.proxy = Proxy(self.destination.incoming) if through_proxy else None
        self.uri = self.proxy.uri if self.proxy else self.destination.incoming

    def __str__(self):
        return (f"struck {self.delay * 1000:.1f} ms after {'the pause' if self.from_pause else 'the start'}, "
                f"{'an' if self.arbiter else 'no'} arbiter, --reconnect {self.reconnect}")

    def go(self):
        """Starts it, and returns at the moment."""
        events = self.source.watch()
        self.migrate = self.stage.migrate_start(self.source, self.uri, "--bandwidth", "100M", "--downtime-limit", "2s",
                                                "--reconnect", self.reconnect, *self.arbiter)
        if self.from_pause:
            next((event for event in events if event.get("phase") not in BEFORE_THE_PAUSE), None)
        else:
            wait_for("the migration to start", lambda: self.source.state != "running" or self.migrate.poll() is not None)
        time.sleep(self.delay)  # the random moment itself, not a synchronization

    def settled(self, vm):
        states = SETTLED if self.arbiter else (*SETTLED, "owner-unknown")
        return wait_for(f"{vm.name} to settle", lambda: vm.state in states and vm.state, 60)

    def close(self):
        """Leaves nothing, so that what a failure shows is of its own migration."""
        self.stage.end_processes()
        for log in self.stage.dir.glob("*.log"):
            log.unlink()
        if self.proxy:
            self.proxy.cut()


def decide(stage, vm, word):
    done = stage.run("vm", "--control", vm.control, word, "--other-side-stopped")
    expect(done.code == 0, f"{vm.name}: {word}: exit code {done.code}: {done.err}")


def survives(stage, vm, state):
    """The VM whose host is left: what its state promises is true. Returns whether the guest lives there."""
    if state == "owner-unknown":
        vm.expect_no_guest()
        decide(stage, vm, "resume")
        state = vm.wait_state("running")
    if state == "running":
        vm.expect_guest()
        return True
    vm.expect_no_guest()
    return False


def destination_killed(stage, attempt):
    attempt.destination.kill()
    state = attempt.settled(attempt.source)
    lives = survives(stage, attempt.source, state)
    expect(lives or state == "moved", f"the source is {state} and has no guest, and nobody else has")
    return state


def source_killed(stage, attempt):
    attempt.source.kill()
    state = attempt.settled(attempt.destination)
    survives(stage, attempt.destination, state)
    return state


def both_alive(stage, attempt):
    """Both hosts live and cannot reach each other: the states that go together, and who then has the guest."""
    attempt.proxy.cut()
    source, destination = attempt.settled(attempt.source), attempt.settled(attempt.destination)
    ours, theirs = attempt.source.status()["guest"]["running"], attempt.destination.status()["guest"]["running"]
    expect(not (ours and theirs), f"TWO GUESTS RUN: source {source}, destination {destination}")
    if source == "owner-unknown" and destination == "running":
        decide(stage, attempt.source, "discard")
        attempt.source.expect_no_guest()
    elif source == "owner-unknown":
        if destination == "owner-unknown":
            decide(stage, attempt.destination, "discard")
        decide(stage, attempt.source, "resume")
        attempt.source.wait_state("running")
    elif source == "running" and destination == "owner-unknown":
        decide(stage, attempt.destination, "discard")
    ours, theirs = attempt.source.status()["guest"]["running"], attempt.destination.status()["guest"]["running"]
    expect(ours != theirs, f"source {source}, destination {destination}: {ours + theirs} guests run")
    (attempt.source if ours else attempt.destination).expect_guest()
    return f"{source}/{destination}"


def network_back(stage, attempt):
    """It breaks, and is there again before the time is up: nobody is left behind, wherever it was."""
    attempt.proxy.down_for(attempt.back_after)
    done = stage.finish(attempt.migrate)
    if done.code:  # before pre-copy there is nothing to go on from
        expect(not attempt.from_pause, f"exit code {done.code}: {done.err}")
        stage.expect_stayed(attempt.source, done)
        return "too early"
    stage.expect_moved(attempt.source, attempt.destination, done)
    return f"completed, reconnected {done.report['reconnects']} times"


def many(stage, strike, through_proxy=False, reconnect=None):
    seen = {}
    for number in range(stage.settings.kills):
        attempt = Attempt(stage, number, through_proxy)
        attempt.reconnect = reconnect or attempt.reconnect
        try:
            attempt.go()
            state = strike(stage, attempt)
        except Failed as failed:
            raise Failed(f"migration {number}, {attempt}: {failed}") from None
        seen[state] = seen.get(state, 0) + 1
        attempt.close()
    print(f"# {stage.settings.kills} migrations ended so: {seen}", flush=True)


def case_destination(stage):
    many(stage, destination_killed)


def case_source(stage):
    many(stage, source_killed)


def case_network(stage):
    many(stage, both_alive, through_proxy=True)


def case_network_that_comes_back(stage):
    many(stage, network_back, through_proxy=True, reconnect="20s")


for case in (case_destination, case_source, case_network, case_network_that_comes_back):
    case.seconds = 3000
