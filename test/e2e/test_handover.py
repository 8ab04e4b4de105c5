# SPDX-License-Identifier: BSD-3-Clause
"""The handover, message by message: the network goes right before one of them, and who has the guest then.

What each message is for: doc/handover.md. A row says what the two VMs must be when it has been lost.
"""

from harness import OWNER_UNKNOWN, ROLLED_BACK, expect, expect_sentence
from proxy import Proxy

# lost message: (exit code of migrate, the source's state, the destination's states)
ROWS = {
    "WELCOME": (ROLLED_BACK, "running", ("incoming",)),
    "MANIFEST": (ROLLED_BACK, "running", ("incoming",)),
    "ACCEPT": (ROLLED_BACK, "running", ("failed", "incoming")),
    "LOADABLE": (ROLLED_BACK, "running", ("failed",)),
    "PREPARE": (ROLLED_BACK, "running", ("failed",)),
    "READY": (ROLLED_BACK, "running", ("owner-unknown",)),
    "COMMIT": (OWNER_UNKNOWN, "owner-unknown", ("owner-unknown",)),
    "RUNNING": (OWNER_UNKNOWN, "owner-unknown", ("running",)),
}


def lose(stage, message):
    """A migration that loses the message; both VMs are as the row says, and at most one guest runs."""
    code, source_state, destination_states = ROWS[message]
    source, destination = stage.source(), stage.destination()
    proxy = Proxy(destination.incoming, cut_before=message)
    stage.closers.append(proxy.cut)
    done = stage.migrate(source, proxy.uri, "--reconnect", "0")
    expect(done.code == code, f"{message} lost: exit code {done.code}: {done.err}")
    expect_sentence(done.err)
    expect(source.state == source_state, f"{message} lost: the source is {source.state}")
    destination.wait_state(*destination_states)
    if source_state != "running":
        source.expect_no_guest()
    if "running" not in destination_states:
        destination.expect_no_guest()
    return source, destination


def decide(stage, vm, word):
    done = stage.run("vm", "--control", vm.control, word, "--other-side-stopped")
    expect(done.code == 0, f"{vm.name}: {word}: exit code {done.code}: {done.err}")


def stays_at_the_source(stage, message):
    source, destination = lose(stage, message)
    source.expect_guest()
    return destination


def case_welcome_lost(stage):
    stays_at_the_source(stage, "WELCOME")


def case_manifest_lost(stage):
    stays_at_the_source(stage, "MANIFEST")


def case_accept_lost(stage):
    stays_at_the_source(stage, "ACCEPT")


def case_loadable_lost(stage):
    stays_at_the_source(stage, "LOADABLE")


def case_prepare_lost(stage):
    stays_at_the_source(stage, "PREPARE")


def case_ready_lost(stage):
    """The source has its guest back; the destination may not run, and is told so."""
    destination = stays_at_the_source(stage, "READY")
    decide(stage, destination, "discard")
    destination.wait_state("failed")
    destination.expect_no_guest()


def case_source_killed_after_ready(stage):
    """The guest's host is gone and the destination has all of it: it can take over."""
    source, destination = lose(stage, "COMMIT")
    source.kill()
    decide(stage, destination, "resume")
    destination.wait_state("running")
    destination.expect_guest()


def case_destination_killed_after_ready(stage):
    source, destination = lose(stage, "COMMIT")
    destination.kill()
    decide(stage, source, "resume")
    source.wait_state("running")
    source.expect_guest()


def case_commit_lost(stage):
    """Both live: a person decides for one of them and against the other."""
    source, destination = lose(stage, "COMMIT")
    decide(stage, destination, "discard")
    decide(stage, source, "resume")
    source.expect_guest()
    destination.expect_no_guest()
    second = stage.destination("second")
    stage.expect_moved(source, second, stage.migrate(source, second.incoming))


def case_running_lost(stage):
    source, destination = lose(stage, "RUNNING")
    destination.expect_guest()
    decide(stage, source, "discard")
    source.expect_no_guest()
    expect(source.state in ("moved", "failed"), f"the source is {source.state}")


def case_a_decision_needs_to_be_meant(stage):
    """Without --other-side-stopped nothing is decided, by the tool and by the VM itself."""
    source, _ = lose(stage, "COMMIT")
    for word in ("resume", "discard"):
        done = stage.run("vm", "--control", source.control, word)
        expect(done.code == 2, f"{word}: exit code {done.code}")
        expect_sentence(done.err, "--other-side-stopped")
        expect(not source.ask(word)["ok"], f"the VM took {word} as it was")
    expect(not source.ask("check")["ok"], "an undecided guest, which may run at any moment, was paused for a check")
    expect(source.state == "owner-unknown", f"the source is {source.state}")
    source.expect_no_guest()
