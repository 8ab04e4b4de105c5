# SPDX-License-Identifier: BSD-3-Clause
"""Cancelling in the middle: the guest goes on at the source, and can migrate again."""

import signal

from harness import ROLLED_BACK, expect, expect_sentence


def in_the_middle(stage, **more):
    """A migration that is slow enough to be caught: its source, destination, and the command that waits for it."""
    source, destination = stage.source(**more), stage.destination(**more)
    migrate = stage.migrate_start(source, destination.incoming, "--bandwidth", "8M")
    source.wait_precopy()
    destination.wait_state("receiving")
    return source, destination, migrate


def rolled_back(stage, source, destination, migrate):
    done = stage.finish(migrate)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(done.report["outcome"] == "rolled-back", done.out)
    expect("downtime_ms" not in done.report, "a downtime, and it never moved")
    expect_sentence(done.err, "cancel")
    source.expect_guest()
    destination.wait_state("failed", "incoming")
    destination.expect_no_guest()


def again(stage, source):
    second = stage.destination("second", nr_devices=len(source.status()["devices"]))
    stage.expect_moved(source, second, stage.migrate(source, second.incoming))


def case_by_ctrl_c(stage):
    source, destination, migrate = in_the_middle(stage, nr_devices=2)
    migrate.send_signal(signal.SIGINT)
    rolled_back(stage, source, destination, migrate)
    again(stage, source)


def case_by_command(stage):
    source, destination, migrate = in_the_middle(stage)
    done = stage.run("vm", "--control", source.control, "cancel")
    expect(done.code == 0, f"cancel: exit code {done.code}: {done.err}")
    rolled_back(stage, source, destination, migrate)
    again(stage, source)


def case_by_the_destination(stage):
    source, destination, migrate = in_the_middle(stage)
    done = stage.run("vm", "--control", destination.control, "cancel")
    expect(done.code == 0, f"cancel: exit code {done.code}: {done.err}")
    rolled_back(stage, source, destination, migrate)
    again(stage, source)


def case_waiting_can_be_left(stage):
    """The second Ctrl-C, or the end of the command, does not end the migration: the VM does that work."""
    source, destination, migrate = in_the_middle(stage, memory="32M", dirty_rate="1M")
    migrate.kill()
    source.wait_state("moved")
    destination.wait_state("running")
    destination.expect_guest()


def case_nothing_to_cancel(stage):
    vm = stage.source()
    done = stage.run("vm", "--control", vm.control, "cancel")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err)
    vm.expect_guest()


def case_one_migration_at_a_time(stage):
    source, destination, migrate = in_the_middle(stage)
    done = stage.migrate(source, destination.incoming)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "running guest", "migrat")
    expect(migrate.poll() is None, "the first one ended for it")
    done = stage.run("vm", "--control", source.control, "quit")
    expect(done.code == 1, "quit in the middle of a migration, without --force")
    expect_sentence(done.err)
    migrate.send_signal(signal.SIGINT)
    rolled_back(stage, source, destination, migrate)
