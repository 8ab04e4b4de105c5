# SPDX-License-Identifier: BSD-3-Clause
"""The command line: help, wrong usage, things the system refuses. One sentence each, and the right exit code."""

import os
import pathlib
import re
import socket

from harness import Skip, as_nobody, expect, expect_sentence

WRONG = [
    ((), "command"),
    (("frobnicate",), "frobnicate"),
    (("demo", "--memory", "64MB"), "--memory"),
    (("demo", "--memory", "-1"), "--memory"),
    (("demo", "--transport", "carrier-pigeon"), "--transport"),
    (("demo", "--channels", "33"), "--channels"),
    (("demo", "word"), "word"),
    (("migrate", "tcp:127.0.0.1:1"), "--control"),
    (("migrate", "--control", "/nowhere"), "URI"),
    (("migrate", "--control", "/nowhere", "--downtime-limit", "300", "tcp:127.0.0.1:1"), "--downtime-limit"),
    (("probe",), "URI"),
    (("device", "--state-size", "1", "x.sock"), "--state-size"),
    (("device", "--arc-latency", "RUNNING:NOWHERE=1ms", "x.sock"), "--arc-latency"),
    (("vm", "--dirty-log", "magic"), "--dirty-log"),
    (("vm", "status"), "--control"),
    (("vm", "--arbiter", "file:/nowhere"), "--incoming"),
    (("vm", "--initrd", "initrd"), "--kernel"),
    (("vm", "--append", "quiet"), "--kernel"),
    (("vm", "--kernel", "bzImage", "--cpu", "thread"), "--cpu kvm"),
    (("vm", "--kernel", "bzImage", "--p2p"), "--p2p"),
    (("vm", "--console", "-", "--cpu", "thread"), "--cpu kvm"),
    (("vm", "--lack", "slot"), "--cpu kvm"),
    (("vm", "--control", "/nowhere", "fault"), "triple-fault"),
    (("vm", "--control", "/nowhere", "status", "twice"), "twice"),
    (("migrate", "--control", "/nowhere", "--precopy", "tcp:127.0.0.1:1"), "--dry-run"),
    (("migrate", "--control", "/nowhere", "--on-no-converge", "hope", "tcp:127.0.0.1:1"), "--on-no-converge"),
    (("migrate", "--control", "/nowhere", "--reconnect", "1", "tcp:127.0.0.1:1"), "--reconnect"),
    (("migrate", "--control", "/nowhere", "--reconnect", "11min", "tcp:127.0.0.1:1"), "--reconnect"),
    (("demo", "--precopy"), "--dry-run"),
    (("demo", "--trace", "-"), "trace"),
    (("demo", "--cpu", "kvm", "--p2p"), "--cpu thread"),
    (("report",), "URI"),
    (("compare",), "FILE"),
    (("compare", "one.json"), "FILE"),
    (("compare", "--pair"), "--pair"),
]


def commands(stage):
    """As the tool lists them."""
    found = re.findall(r"^  ([a-z]+) {2,}\S", stage.run("--help").out, re.M)
    expect("demo" in found, f"no list of commands: {found}")
    return found


def case_help(stage):
    pages = {page.name for page in (pathlib.Path(__file__).parents[2] / "man").iterdir()}
    for words in (("--help",), *((command, "--help") for command in commands(stage))):
        done = stage.run(*words)
        expect(done.code == 0 and "usage: godwit" in done.out and not done.err, f"{words}: {done}")
    for command in commands(stage):
        expect("Example:" in stage.run(command, "--help").out, f"{command}: no example")
        expect(f"godwit-{command}.1.scd" in pages, f"{command}: no man page")
    expect(stage.run("--version").out.startswith("godwit "), "no version")


def case_wrong_usage(stage):
    for words, told in WRONG:
        done = stage.run(*words)
        expect(done.code == 2, f"{words}: exit code {done.code}")
        expect_sentence(done.err, told)


def case_no_such_control_socket(stage):
    none = stage.path("none")
    for words in (("migrate", "--control", none, "tcp:127.0.0.1:1"), ("vm", "--control", none, "status")):
        done = stage.run(*words)
        expect(done.code == 1, f"exit code {done.code}")
        expect_sentence(done.err, "no such socket")


def case_control_socket_of_another_program(stage):
    """One that answers garbage, and one that nobody listens on."""
    path = stage.path("other.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = stage.start("status", "vm", "--control", path, "status", stdout=-1, stderr=-1, text=True)
        near, _ = listener.accept()
        with near:
            near.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            done = stage.finish(process)
        expect(done.code == 1, f"exit code {done.code}")
        expect_sentence(done.err, "no control socket")
    done = stage.run("vm", "--control", path, "status")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "nobody listens")


def case_bad_device_uris(stage):
    for uri, told in (("floppy:a", "floppy"), ("vfio-user:/nonexistent/dev.sock", "dev.sock"), ("", "URI"),
                      ("vfio:/dev/vfio/devices/vfio4095", "vfio4095"), ("vfio:0000:ff:1f.7", "ff:1f.7")):
        done = stage.run("probe", uri)
        expect(done.code == 1, f"{uri}: exit code {done.code}")
        expect_sentence(done.err, told)
        done = stage.run("vm", "--memory", "16M", "--device", uri)
        expect(done.code == 1, f"vm with {uri}: exit code {done.code}")
        expect_sentence(done.err, told)


def case_bad_incoming_uris(stage):
    for uri in ("pigeon:coop", "tcp:127.0.0.1", "tcp:127.0.0.1:99999", "unix:/nonexistent/m.sock", "unix:"):
        done = stage.run("vm", "--memory", "16M", "--incoming", uri)
        expect(done.code == 1, f"{uri}: exit code {done.code}")
        expect_sentence(done.err)


def case_address_in_use(stage):
    first = stage.destination(nr_devices=0)
    done = stage.run("vm", "--memory", "16M", "--incoming", first.incoming)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "in use")
    done = stage.run("vm", "--memory", "16M", "--control", first.control)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "in use", "listens")
    first.expect_no_guest()


def case_no_permission(stage):
    """Sockets that may not be made, and one that may not be used."""
    vm = stage.vm("vm")
    os.chmod(vm.control, 0o600)
    os.chmod(stage.dir, 0o755)
    user = as_nobody()
    if not user:
        raise Skip("only root can become another user")
    try:
        stage.run("--version", **user)
    except PermissionError:
        raise Skip(f"nobody may not run {stage.settings.godwit}") from None
    done = stage.run("vm", "--control", vm.control, "quit", **user)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "permission denied")
    for words in (("vm", "--memory", "16M", "--control", stage.path("new.control")),
                  ("vm", "--memory", "16M", "--incoming", f"unix:{stage.path('new.sock')}"),
                  ("device", stage.path("dev.sock"))):
        done = stage.run(*words, **user)
        expect(done.code == 1, f"{words}: exit code {done.code}")
        expect_sentence(done.err, "permission denied")
    vm.expect_guest()


def case_more_memory_than_there_is(stage):
    done = stage.run("vm", "--memory", "4T")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "memory", "RAM")


def case_no_space(stage):
    """A file system on which not one more file, and so no socket, can be made."""
    script = 'mount -t tmpfs -o nr_inodes=1 full "$1" || exit 77; dir=$1; shift; exec "$@"'
    full = stage.path("full")
    full.mkdir()
    for words in (("vm", "--memory", "16M", "--control", full / "vm.control"),
                  ("vm", "--memory", "16M", "--incoming", f"unix:{full / 'm.sock'}"), ("device", full / "dev.sock")):
        command = ["unshare", "-m", "sh", "-c", script, "sh", full, stage.settings.godwit, *words]
        done = stage.run_program(*command)
        if done.code == 77 or "unshare" in done.err:
            raise Skip("no file system can be mounted here")
        expect(done.code == 1, f"{words}: exit code {done.code}")
        expect_sentence(done.err, "no space")


def case_output_that_cannot_be_written(stage):
    with open("/dev/full", "w", encoding="ascii") as full:
        process = stage.start("help", "--help", stdout=full, stderr=-1, text=True)
        done = stage.finish(process)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "output")


def case_probe(stage):
    uri, _ = stage.device("dev", "--state-size", "2M")
    probe = stage.run("probe", "--json", "--enter-precopy", uri).report
    expect(probe["migration_flags"] == ["STOP_COPY", "P2P", "PRE_COPY"], f"{probe['migration_flags']}")
    expect(len(probe["states"]) == 8, f"{probe['states']}")
    expect(probe["pci"]["vendor"] == 0x6764, f"{probe['pci']}")
    expect("precopy" in probe and probe["state"] == "RUNNING", f"{probe}")
    for text in ("vfio-user", "BAR 0", "MSI-X", "PRE_COPY_P2P"):
        expect(text in stage.run("probe", uri).out, f"no {text} for people")


def case_probe_of_lesser_devices(stage):
    for option, absent in (("--no-p2p", "P2P"), ("--no-precopy", "PRE_COPY"), ("--no-migration", "STOP_COPY")):
        uri, _ = stage.device(f"dev{option}", "--state-size", "1M", option)
        probe = stage.run("probe", "--json", uri).report
        expect(absent not in probe["migration_flags"], f"{option}: {probe['migration_flags']}")
    uri, _ = stage.device("plain", "--state-size", "1M", "--no-extension", "--no-dma-log")
    probe = stage.run("probe", "--json", uri).report
    expect("dma-log" not in probe["features"], f"{probe['features']}")
