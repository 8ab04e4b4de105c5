# SPDX-License-Identifier: BSD-3-Clause
"""Migrations by hand: godwit device, vm and migrate, as a user would type them."""

from harness import ROLLED_BACK, expect, expect_sentence


def moves(stage, uri="tcp:127.0.0.1:0", words=(), **more):
    source = stage.source(**more)
    destination = stage.destination(uri=uri, **more)
    done = stage.migrate(source, destination.incoming, *words)
    stage.expect_moved(source, destination, done)
    return done.report


def case_tcp(stage):
    moves(stage, nr_devices=2)


def case_tcp6(stage):
    moves(stage, uri="tcp:[::1]:0", nr_devices=0)


def case_unix(stage):
    moves(stage, uri=f"unix:{stage.path('migration.sock')}")


def case_many_channels(stage):
    moves(stage, words=("--channels", "16"))


def case_plain_vfio_user(stage):
    """Devices with nothing but the vfio-user standard: no data socket, no pre-copy info."""
    moves(stage, device_options=("--state-size", "1M", "--no-extension"))


def case_lesser_devices(stage):
    moves(stage, device_options=("--state-size", "1M", "--no-p2p", "--no-precopy", "--no-dma-log"))


def case_dirty_log_all(stage):
    """The fallback of a kernel without userfaultfd: nothing is tracked, all of RAM counts as written."""
    source = stage.side("source", "--dirty-log", "all", memory="16M").worked()
    destination = stage.destination(memory="16M")
    done = stage.migrate(source, destination.incoming, "--downtime-limit", "2s")
    stage.expect_moved(source, destination, done)


def case_there_and_back(stage):
    first = stage.source("first")
    second = stage.destination("second")
    stage.expect_moved(first, second, stage.migrate(first, second.incoming))
    third = stage.destination("third")
    stage.expect_moved(second, third, stage.migrate(second, third.incoming))


def case_idle_guest(stage):
    """A guest that writes next to nothing: the downtime is that of an idle guest, and rounds are few."""
    source = stage.side("source", dirty_rate="1M").worked(50)
    destination = stage.destination(dirty_rate="1M")
    done = stage.migrate(source, destination.incoming)
    stage.expect_moved(source, destination, done)


def case_bandwidth_is_kept(stage):
    source, destination = stage.source(memory="32M", dirty_rate="2M"), stage.destination(memory="32M")
    done = stage.migrate(source, destination.incoming, "--bandwidth", "16M")
    stage.expect_moved(source, destination, done)
    report = done.report
    paced_ms = report["total_ms"] - report["downtime_ms"]
    expect(report["ram"]["bytes"] < 16 * (1 << 20) * (paced_ms / 1000 + 0.5) * 1.2,
           f"{report['ram']['bytes']} bytes in {paced_ms:.0f} ms")


def case_gives_up_after_max_rounds(stage):
    source = stage.source(dirty_rate="400M")
    destination = stage.destination()
    done = stage.migrate(source, destination.incoming, "--max-rounds", "2", "--bandwidth", "32M",
                         "--downtime-limit", "5ms")
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    stage.expect_stayed(source, done, "round")
    destination.expect_no_guest()


def case_report_for_people(stage):
    source, destination = stage.source(), stage.destination()
    done = stage.run("migrate", "--control", source.control, "--verify", destination.incoming)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect("completed, verified" in done.out, done.out)
    status = stage.run("vm", "--control", destination.control, "status")
    expect("running" in status.out and "no errors" in status.out, status.out)
    expect("no errors" in stage.run("vm", "--control", destination.control, "check").out, "check")


def case_quit(stage):
    vm = stage.source()
    done = stage.run("vm", "--control", vm.control, "quit")
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect(vm.process.wait(10) == 0, f"the VM ended with {vm.process.returncode}")


def case_nothing_to_decide(stage):
    """resume and discard are for owner-unknown; a VM that runs refuses them."""
    vm = stage.source()
    for word in ("resume", "discard"):
        done = stage.run("vm", "--control", vm.control, word, "--other-side-stopped")
        expect(done.code == 1, f"{word}: exit code {done.code}")
        expect_sentence(done.err)
    vm.expect_guest()
