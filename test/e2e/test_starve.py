# SPDX-License-Identifier: BSD-3-Clause
"""A process that is stopped, or gets no more fds or memory, in the middle of a migration: the guest is where it was, or
has moved, and goes on; never two. What was taken away comes back, and then all works."""

import os
import random
import resource
import signal
import threading

from harness import ROLLED_BACK, expect, expect_sentence, wait_for

MOMENTS = 6  # of each kind


def begin(stage, number, *words):
    source, destination = stage.source(f"source-{number}"), stage.destination(f"destination-{number}")
    migrate = stage.migrate_start(source, destination.incoming, "--bandwidth", "60M", "--reconnect", "1s", *words)
    source.wait_state("migrating", "moved", "running")
    return source, destination, migrate


def stop_for(vm, seconds):
    """SIGSTOP now, SIGCONT later; returns what waits for that."""
    vm.process.send_signal(signal.SIGSTOP)
    timer = threading.Timer(seconds, vm.process.send_signal, (signal.SIGCONT,))
    timer.start()
    return timer


def stopped_a_while(stage, which):
    """Shorter than the stall limit: it is only late."""
    draw = random.Random(f"{stage.settings.seed}-{which}")
    for number in range(MOMENTS):
        source, destination, migrate = begin(stage, number)
        threading.Event().wait(draw.uniform(0, 0.8))  # the random moment itself, not a synchronization
        timer = stop_for(source if which == "source" else destination, 1.5)
        done = stage.finish(migrate)
        timer.join()
        stage.expect_moved(source, destination, done)
        stage.end_processes()


def case_source_stopped_a_while(stage):
    stopped_a_while(stage, "source")


def case_destination_stopped_a_while(stage):
    stopped_a_while(stage, "destination")


def case_destination_stopped_for_good(stage):
    """Past every limit the source has its guest back; the destination finds that out when it is let go on."""
    source, destination, migrate = begin(stage, 0, "--bandwidth", "8M")
    source.wait_precopy()
    destination.process.send_signal(signal.SIGSTOP)
    done = stage.finish(migrate)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err)
    source.expect_guest()
    destination.process.send_signal(signal.SIGCONT)
    destination.wait_state("failed")
    destination.expect_no_guest()
    source.expect_guest()


FEW_FDS = 8


def nr_fds(vm):
    return len(os.listdir(f"/proc/{vm.process.pid}/fd"))


def limit_fds(vm, nr):
    old = resource.prlimit(vm.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(vm.process.pid, resource.RLIMIT_NOFILE, (nr, old[1]))
    return old


def case_source_without_fds(stage):
    source, destination = stage.source(), stage.destination()
    old = limit_fds(source, nr_fds(source) + 2)  # the control connection, and one more
    done = stage.migrate(source, destination.incoming, "--reconnect", "0")
    stage.expect_stayed(source, done)
    resource.prlimit(source.process.pid, resource.RLIMIT_NOFILE, old)
    if destination.state != "incoming":  # the first one got as far as being let in
        destination = stage.destination("destination-again")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming))


def cpu_seconds(vm):
    with open(f"/proc/{vm.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def case_destination_without_fds(stage):
    """Nobody can be let in, and it does not burn a core over it; when there are fds again, it takes the guest."""
    source, destination = stage.source(), stage.destination()
    uri = destination.incoming
    destination.expect_no_guest()
    # All numbers below this are taken for good; one that was free, of a question just answered, would let one in.
    expect(all(os.path.exists(f"/proc/{destination.process.pid}/fd/{fd}") for fd in range(FEW_FDS)), "fds are missing")
    old = limit_fds(destination, FEW_FDS)
    before = cpu_seconds(destination)
    done = stage.migrate(source, uri, "--reconnect", "0", seconds=90)
    spent = cpu_seconds(destination) - before
    stage.expect_stayed(source, done)
    expect(spent < 3, f"the destination used {spent:.1f} s of CPU to wait for fds")
    resource.prlimit(destination.process.pid, resource.RLIMIT_NOFILE, old)

    def taken():
        again = stage.migrate(source, uri)
        return again.code == 0 and again  # it may be busy letting in, and out, the one that gave up

    stage.expect_moved(source, destination, wait_for("the destination to take the guest", taken))


def address_space(vm):
    with open(f"/proc/{vm.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[0]) * resource.getpagesize()


def without_memory(stage, which):
    """No more address space than it has: threads and buffers cannot be made."""
    source, destination = stage.source(), stage.destination()
    vm = source if which == "source" else destination
    old = resource.prlimit(vm.process.pid, resource.RLIMIT_AS)
    resource.prlimit(vm.process.pid, resource.RLIMIT_AS, (address_space(vm) + (1 << 20), old[1]))
    done = stage.migrate(source, destination.incoming, "--reconnect", "1s", seconds=90)
    resource.prlimit(vm.process.pid, resource.RLIMIT_AS, old)
    expect(done.code != 0, "it completed: the limit was none")
    source.expect_guest()
    destination.expect_no_guest()
    again = destination if destination.state == "incoming" else stage.destination("destination-again")
    stage.expect_moved(source, again, stage.migrate(source, again.incoming))


def case_source_without_memory(stage):
    without_memory(stage, "source")


def case_destination_without_memory(stage):
    without_memory(stage, "destination")
