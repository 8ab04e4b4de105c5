# SPDX-License-Identifier: BSD-3-Clause
"""Faults of the reference device, told at the start and while it runs, through its control socket."""

import json
import os
import socket
import stat

from harness import expect, expect_sentence, wait_for

WRONG_USAGE = 2


def controlled(stage, name="dev", *words):
    """A device with a control socket, and what tells it something."""
    control = stage.path(f"{name}.control")
    uri, process = stage.device(name, "--state-size", "64K", "--control", control, *words)

    def tell(*command, code=0):
        done = stage.run("device", "--control", control, *command)
        expect(done.code == code, f"{command}: exit code {done.code}: {done.err}")
        return done

    tell.control = control
    return uri, process, tell


def state_of(tell):
    return json.loads(tell("status", "--json").out)


def case_faults_come_and_go(stage):
    _, _, tell = controlled(stage)
    empty = state_of(tell)
    expect(empty["ok"] and empty["state"] == "RUNNING" and empty["faults"] == [], f"a new device says {empty}")
    expect("none" in tell("status").out, "status does not say that there are no faults")
    expect(tell("fault", "arc:RUNNING:RUNNING_P2P=EIO,times=2", "get=value:STOP").out == "done\n", "fault: not done")
    faults = state_of(tell)["faults"]
    expect([f["fault"] for f in faults] == ["arc:RUNNING:RUNNING_P2P=EIO,times=2", "get=value:STOP"], f"faults: {faults}")
    expect(all(f["matched"] == 0 and f["struck"] == 0 for f in faults), f"struck already: {faults}")
    expect("struck 0 of 0 times" in tell("status").out, "status does not count")
    tell("clear")
    expect(state_of(tell)["faults"] == [], "clear left some")


def case_a_fault_strikes(stage):
    """A client of the device feels it, and status counts it."""
    uri, _, tell = controlled(stage, "dev", "--fault", "command:DEVICE_GET_INFO=EIO,times=1")
    refused = stage.run("probe", uri)
    expect(refused.code == 1, f"probe of a device that fails: exit code {refused.code}")
    expect_sentence(refused.err)
    expect(stage.run("probe", uri).code == 0, "the second time the fault should not strike")
    fault, = state_of(tell)["faults"]
    expect(fault["struck"] == 1 and fault["matched"] >= 2, f"counted {fault}")
    tell("fault", "command:DEVICE_GET_INFO=EIO")
    expect(stage.run("probe", uri).code == 1, "told at run time, it does not strike")
    tell("clear")
    expect(stage.run("probe", uri).code == 0, "cleared, it strikes")


def case_clear_ends_a_stall(stage):
    uri, _, tell = controlled(stage)
    tell("fault", "command:DEVICE_GET_INFO=stall:1000s")
    probe = stage.start("probe", "probe", uri)
    wait_for("the probe to be stalled", lambda: state_of(tell)["faults"][0]["struck"] == 1)
    expect(probe.poll() is None, "the probe is over, and should be stalled")
    tell("clear")
    expect(probe.wait(20) == 0, f"after the stall the probe ended with {probe.returncode}")
    tell("fault", "command:DEVICE_GET_INFO=stall:200ms")  # the next one is stalled again
    expect(stage.run("probe", uri).code == 0, "a short stall broke the probe")


def case_it_dies(stage):
    uri, process, tell = controlled(stage)
    tell("fault", "command:DEVICE_GET_INFO=die")
    expect(stage.run("probe", uri).code == 1, "the probe of a device that died went well")
    expect(process.wait(10) == 1, f"it should have died with 1, not {process.returncode}")
    expect(not tell.control.exists(), "it left its control socket behind")


def case_a_wrong_fault_is_refused(stage):
    _, _, tell = controlled(stage)
    for spec, word in (("walk=EIO", "points are"), ("arc=jump", "no action"), ("arc:HERE:THERE=EIO", "device state"),
                       ("read=short:1,often=2", "times=N")):
        expect_sentence(tell("fault", spec, code=1).err, word)
        done = stage.run("device", "--fault", spec, stage.path("other.sock"))
        expect(done.code == WRONG_USAGE, f"--fault {spec}: exit code {done.code}")
        expect_sentence(done.err, word)
    expect(state_of(tell)["faults"] == [], "a wrong fault was taken")


def case_wrong_usage(stage):
    _, _, tell = controlled(stage)
    for words in (("status",), ("fault", "get=EIO"), ("a.sock", "b.sock")):
        done = stage.run("device", *words, seconds=10)
        expect(done.code == WRONG_USAGE, f"device {words}: exit code {done.code}")
        expect_sentence(done.err)
    tell("fault", code=WRONG_USAGE)
    tell("status", "now", code=WRONG_USAGE)
    gone = stage.run("device", "--control", stage.path("none"), "status")
    expect(gone.code == 1, f"nobody there: exit code {gone.code}")
    expect_sentence(gone.err, "no such socket")


def case_the_socket_is_ours_and_sturdy(stage):
    """Only this user may connect; what is no command is refused, and the device stays there."""
    _, _, tell = controlled(stage)
    expect(stat.S_IMODE(os.stat(tell.control).st_mode) == 0o600, "others can connect to the control socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(tell.control))
        lines = s.makefile()
        for line, code in ((b"hello", "EBADMSG"), (b"[1]", "EBADMSG"), (b'{"command": 3}', "EINVAL"),
                           (b'{"command": "fault"}', "EINVAL"), (b'{"command": "jump"}', "EINVAL")):
            s.sendall(line + b"\n")
            answer = json.loads(lines.readline())
            expect(answer["ok"] is False and answer["error"]["code"] == code, f"{line}: {answer}")
        s.sendall(b'{"command": "sta')
        s.sendall(b'tus"}\n{"command": "clear"}\n')
        expect(json.loads(lines.readline())["state"] == "RUNNING", "a line in two pieces is not understood")
        expect(json.loads(lines.readline()) == {"ok": True}, "the second line of two is not answered")
        s.sendall(b"x" * (70 << 10) + b"\n")
        expect(json.loads(lines.readline())["error"]["code"] == "EMSGSIZE", "a line too long is not refused")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(tell.control))
        s.sendall(b'{"command":')
    expect(state_of(tell)["ok"], "after a client that hung up it does not answer")
