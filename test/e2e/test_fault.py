# SPDX-License-Identifier: BSD-3-Clause
"""Things that break in the middle of a migration: a device server dies, a peer stalls, the network goes."""

import signal

from harness import OWNER_UNKNOWN, ROLLED_BACK, expect, expect_sentence, wait_for
from proxy import Proxy


def with_devices(stage, name, *words):
    """A VM with one device, and the device's process."""
    uri, process = stage.device(f"{name}-dev0", "--state-size", "4M")
    return stage.vm(name, *words, devices=[uri]), process


def in_the_middle(stage, uri=None):
    source, source_device = with_devices(stage, "source")
    destination, destination_device = with_devices(stage, "destination", "--incoming", "tcp:127.0.0.1:0")
    source.worked()
    uri = uri(destination.incoming) if uri else destination.incoming
    migrate = stage.migrate_start(source, uri, "--bandwidth", "8M", "--reconnect", "1s")
    source.wait_precopy()
    destination.wait_state("receiving")
    return source, destination, migrate, source_device, destination_device


def expect_rolled_back(stage, migrate, *words):
    done = stage.finish(migrate)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, *words)


def case_destination_device_dies(stage):
    source, destination, migrate, _, device = in_the_middle(stage)
    device.kill()
    expect_rolled_back(stage, migrate, "dev0")
    source.expect_guest()
    destination.wait_state("failed")
    destination.expect_no_guest()


def expect_rollback_failed(stage, migrate, source, *words):
    """The guest stays where it is, without that device: only its vCPUs can get on, and nobody says that all is well."""
    done = stage.finish(migrate)
    expect(done.code == 1, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, "dev0", "it was rolled back for: ", *words)
    expect(done.report["outcome"] == "rolled-back" and done.report["rollback_failed"], f"{done.report}")
    before = source.status()
    expect(before["state"] == "running" and before["guest"]["running"], f"{before}")
    wait_for("the vCPUs to go on",
             lambda: source.status()["guest"]["pages_written"] > before["guest"]["pages_written"])


def case_source_device_dies(stage):
    source, destination, migrate, device, _ = in_the_middle(stage)
    device.kill()
    expect_rollback_failed(stage, migrate, source)
    destination.wait_state("failed", "incoming")
    destination.expect_no_guest()


def case_source_device_stays_stopped(stage):
    """The destination's device does not take the state, and the source's does not start again."""
    devices = [stage.device(name, "--fault", fault)[0]
               for name, fault in (("source-dev0", "arc:STOP:RUNNING_P2P=EIO"), ("destination-dev0", "load=EINVAL"))]
    source = stage.vm("source", devices=devices[:1]).worked()
    destination = stage.vm("destination", "--incoming", "tcp:127.0.0.1:0", devices=devices[1:])
    uri = destination.incoming
    expect_rollback_failed(stage, stage.migrate_start(source, uri), source, "at the destination")
    destination.wait_state("failed")
    destination.expect_no_guest()
    again = stage.run("migrate", "--control", source.control, uri)
    expect("rolled-back: the guest is at the source, but" in again.out, f"{again.out}{again.err}")


def case_destination_dies(stage):
    source, destination, migrate, *_ = in_the_middle(stage)
    destination.kill()
    expect_rolled_back(stage, migrate)
    source.expect_guest()


def case_source_dies(stage):
    source, destination, migrate, *_ = in_the_middle(stage)
    source.kill()
    done = stage.finish(migrate)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "hung up")
    destination.wait_state("failed")
    destination.expect_no_guest()


def case_destination_stalls(stage):
    """A peer that says nothing for the stall time is gone: the source does not wait for ever."""
    source, destination, migrate, *_ = in_the_middle(stage)
    destination.kill(signal.SIGSTOP)
    expect_rolled_back(stage, migrate)
    source.expect_guest()
    destination.kill(signal.SIGCONT)
    destination.wait_state("failed")
    destination.expect_no_guest()


def case_source_stalls(stage):
    """The destination gives up; the source, woken, finds that out and goes on with its guest."""
    source, destination, migrate, *_ = in_the_middle(stage)
    source.kill(signal.SIGSTOP)
    destination.wait_state("failed")
    destination.expect_no_guest()
    source.kill(signal.SIGCONT)
    expect_rolled_back(stage, migrate)
    source.expect_guest()


def case_device_server_stalls(stage):
    """A device server that hangs at the source must not hang the VM's control socket with it."""
    source, _, migrate, device, _ = in_the_middle(stage)
    device.send_signal(signal.SIGSTOP)
    expect(source.status()["state"] in ("migrating", "running"), "no status")
    device.send_signal(signal.SIGCONT)
    migrate.send_signal(signal.SIGINT)
    expect_rolled_back(stage, migrate, "cancel")
    source.expect_guest()


def case_network_goes(stage):
    proxies = []

    def through_proxy(uri):
        proxies.append(Proxy(uri))
        return proxies[0].uri

    source, destination, migrate, *_ = in_the_middle(stage, through_proxy)
    proxies[0].cut()
    expect_rolled_back(stage, migrate)
    source.expect_guest()
    destination.wait_state("failed")
    destination.expect_no_guest()


def case_signal_to_a_vm_in_the_middle(stage):
    """SIGTERM ends a VM cleanly: its migration first, then its guest."""
    source, destination, migrate, *_ = in_the_middle(stage)
    source.kill(signal.SIGTERM)
    expect(source.process.wait(30) == 0, f"the source ended with {source.process.returncode}")
    expect(stage.finish(migrate).code in (1, ROLLED_BACK, OWNER_UNKNOWN), "a migration that ended well")
    destination.wait_state("failed")
    destination.expect_no_guest()


for case in (case_destination_stalls, case_source_stalls):
    case.seconds = 120
