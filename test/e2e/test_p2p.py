# SPDX-License-Identifier: BSD-3-Clause
"""Devices that write into each other's memory at full speed while they are moved.

The two devices of a VM differ in how long their arcs take, so one of them still sends when the other has stopped to
take: for 20 ms at the source, and again at the destination. The barriers of a migration are what keeps that from
being seen.
"""

from harness import expect, wait_for

SLOW = "20ms"
# Every arc in which a device stops to send, or begins to take: with the P2P states, and without them.
STOPS_SENDING = ("RUNNING:RUNNING_P2P", "PRE_COPY:PRE_COPY_P2P", "RUNNING:STOP", "PRE_COPY:STOP_COPY")
BEGINS_TAKING = ("STOP:RUNNING_P2P", "STOP:RUNNING")
STATE = ("--state-size", "256K")


def slow(arcs):
    return [f"--arc-latency={arc}={SLOW}" for arc in arcs]


def side(stage, name, arcs_of_devices, *words, device_options=()):
    uris = [stage.device(f"{name}-dev{i}", "--serial", 1 + i, *STATE, *device_options, *slow(arcs))[0]
            for i, arcs in enumerate(arcs_of_devices)]
    return stage.vm(name, "--p2p", *words, devices=uris, memory="16M", dirty_rate="4M")


def writes_of(status):
    """What each device has written to its peer and the guest has found there."""
    return [device["peer_writes"] for device in status["devices"]]


def migrated(stage, *words, device_options=()):
    """Moves a guest whose devices write to each other. Returns what it has found over there."""
    source = side(stage, "source", (STOPS_SENDING, ()), device_options=device_options)
    destination = side(stage, "destination", ((), BEGINS_TAKING), "--incoming", "tcp:127.0.0.1:0",
                       device_options=device_options)
    wait_for("devices to write to each other", lambda: min(writes_of(source.status())) > 100000)
    done = stage.migrate(source, destination.incoming, *words)
    expect(done.code == 0, f"migrate: exit code {done.code}: {done.err}")
    before = source.status()
    expect(not before["guest"]["errors"], f"at the source: {before['guest'].get('first_error')}")

    def looked():
        return all(n > b for n, b in zip(writes_of(destination.status()), writes_of(before)))

    wait_for("the guest to look at what its devices wrote", looked)
    guest = destination.status()["guest"]
    stage.end_processes()
    return guest


def case_with_barrier(stage):
    """Nothing is lost or torn, in --p2p-runs runs."""
    writes = 0
    for run in range(stage.settings.p2p_runs):
        guest = migrated(stage)
        expect(not guest["errors"], f"run {run}: {guest.get('first_error')}")
        writes += guest["peer_writes"]
    print(f"# {stage.settings.p2p_runs} runs, {writes} writes to peers, none lost or torn")


case_with_barrier.seconds = 900


def case_without_barrier(stage):
    """Devices without the P2P states, moved all the same: the guest sees what was lost, as it would in the case above.

    A host too busy to let the slow device write while it is slow may need more than one run.
    """
    for _ in range(10):
        guest = migrated(stage, "--allow-no-p2p", device_options=("--no-p2p",))
        if guest["errors"]:
            break
    expect(guest["errors"], "nothing was lost in ten runs: this test cannot see a missing barrier")
    expect("writes into the memory of" in guest["first_error"], guest["first_error"])


def case_refused(stage):
    """A guest whose devices write to each other does not go where they could not."""
    source = side(stage, "source", ((), ()))
    destination = stage.destination(nr_devices=2, device_options=STATE, memory="16M")
    stage.expect_stayed(source, stage.migrate(source, destination.incoming), "p2p")
