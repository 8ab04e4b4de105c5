# SPDX-License-Identifier: BSD-3-Clause
"""A guest that KVM executes: it moves and notices no more than the downtime, it is refused where it cannot run, and if it
dies while it moves, that is said. Sized for a KVM that only emulates, about a million instructions a second."""

import functools
import os
import re
import struct

from harness import ROLLED_BACK, Failed, Skip, expect, expect_sentence, wait_for
from test_dry_run import expect_blockers
from test_kill import survives

SMALL = ("--state-size", "64K")
SLOW = ("--bandwidth", "2M", "--reconnect", "0")  # a pre-copy of seconds: time to do something in it
SLOW_WAIT_S = 60
EASY = ("--downtime-limit", "5s")  # a machine that is busy, and emulates, is no reason to refuse
WORK_PAGES = 5
HOST_LACKS = "host-lacks"


def no_kvm():
    """Why not, or None."""
    if not os.path.exists("/dev/kvm"):
        return "there is no /dev/kvm"
    return None if os.access("/dev/kvm", os.R_OK | os.W_OK) else "/dev/kvm may not be opened"


def on_kvm(case):
    """The decorated case is skipped where there is no KVM."""
    @functools.wraps(case)
    def run(stage):
        if no_kvm():
            raise Skip(no_kvm())
        case(stage)
    return run


def side(stage, name, *words, vcpus=2, **more):
    options = {"cpu": "kvm", "memory": "32M", "dirty_rate": "4M", "device_options": SMALL, **more}
    return stage.side(name, "--vcpus", vcpus, *words, **options)


def source(stage, name="source", *words, **more):
    """A VM whose guest has got on with its work. What its RAM was filled with at the start counts as written."""
    vm = side(stage, name, *words, **more)
    before = guest(vm)
    wait_for("the guest to work", lambda: guest(vm)["pages_written"] >= before["pages_written"] + WORK_PAGES)
    if vm.status()["devices"]:
        wait_for("its device to work", lambda: guest(vm)["operations"] > before["operations"])
    return vm


def destination(stage, name="destination", *words, **more):
    return side(stage, name, "--incoming", "tcp:127.0.0.1:0", *words, **more)


def guest(vm):
    return vm.status()["guest"]


def migrate(stage, here, there, *words):
    return stage.migrate(here, there.incoming, *EASY, *words)


def move(stage, here, there, *words):
    """A migration that went well, as the command told it. The guest was not paused for anything else yet."""
    done = migrate(stage, here, there, *words)
    expect(done.code == 0, f"migrate: exit code {done.code}: {done.err}")
    return done


def moves(stage, here, there, *words):
    """The report, after a look at both sides."""
    done = migrate(stage, here, there, *words)
    stage.expect_moved(here, there, done)
    return done.report


def said(stage, name):
    """What a process has printed."""
    return next(stage.dir.glob(f"*-{name}.log")).read_text(errors="replace")


# --- what executes the guest


def case_the_choice_is_told(stage):
    """Left open, it is KVM, or there is a reason; asked for, there is nothing to explain."""
    for cpu, line in ((None, r"the guest runs on (KVM|threads: \S.*)"), ("thread", "the guest runs on threads"),
                      ("kvm", "the guest runs on KVM")):
        if cpu == "kvm" and no_kvm():
            continue
        name = f"vm-{cpu}"
        vm = stage.vm(name, "--vcpus", 1, memory="16M", dirty_rate="1M", cpu=cpu)
        wait_for("it to say so", lambda name=name: "\n" in said(stage, name))
        expect(re.fullmatch(line + "\n", said(stage, name)), f"{cpu}: {said(stage, name)!r}")
        status = vm.status()
        expect(f"on {status['cpu']}" in said(stage, name), f"{status['cpu']}, and it said {said(stage, name)!r}")
        expect(("cpu_why" in status) == (": " in said(stage, name)), f"{status}")
        expect(cpu is not None or status["cpu"] == "KVM" or status["cpu_why"] in said(stage, name), f"{status}")
        expect(not no_kvm() or status["cpu"] == "threads", f"no KVM, and the guest runs on {status['cpu']}")


def case_a_vm_that_waits_tells_its_uri_last(stage):
    """Scripts take the last word of the line."""
    vm = stage.destination()
    wait_for("it to say so", lambda: said(stage, "destination").count("\n") == 2)
    first, second = said(stage, "destination").splitlines()
    expect(first == f"waiting for a guest at {vm.incoming}" and second == "it will run on threads", f"{first}, {second}")


def case_threads_do_not_fail_on_demand(stage):
    vm = stage.source()
    done = stage.run("vm", "--control", vm.control, "fault", "triple-fault")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "on demand")
    vm.expect_guest()


def case_kvm_asked_for_where_there_is_none(stage):
    """In a namespace of its own /dev/kvm can be covered."""
    words = "mount --bind /dev/null /dev/kvm && exec \"$@\""
    if no_kvm():
        words = "exec \"$@\""
    for command, told in ((("vm", "--memory", "16M"), "kvm"), (("demo", "--memory", "64M", "--json"), "kvm")):
        done = stage.run_program("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", words, "sh",
                                 stage.settings.godwit, command[0], "--cpu", "kvm", *command[1:])
        if "unshare" in done.err or "mount" in done.err:
            raise Skip(f"no namespaces here: {done.err.strip()}")
        expect(done.code == 1, f"{command}: exit code {done.code}: {done.err}")
        expect_sentence(done.err.splitlines()[0], told)


@on_kvm
def case_status(stage):
    vm = source(stage)
    before = guest(vm)
    expect(vm.status()["cpu"] == "KVM" and "failure" not in vm.status(), f"{vm.status()}")
    expect(before["vcpus"] == 2 and before["running"] and before["errors"] == 0, f"{before}")
    for key in ("timer_interrupts", "operations", "stamps", "pages_written", "pages_checked"):
        wait_for(f"{key} to rise", lambda key=key: guest(vm)[key] > before[key])
    wait_for("a pause to be seen", lambda: guest(vm)["largest_pause_ns"] > 0)
    people = stage.run("vm", "--control", vm.control, "status")
    expect(people.code == 0, f"exit code {people.code}: {people.err}")
    for text in ("2 vCPUs on KVM", "no errors", "timer interrupts", "largest pause"):
        expect(text in people.out, f'no "{text}" in:\n{people.out}')


# --- moves


@on_kvm
def case_ten_moves_back_and_forth(stage):
    """Nothing is wrong on any side, and the counts go on from where they were."""
    here = source(stage, "vm0")
    seen = guest(here)
    for number in range(1, 11):
        there = destination(stage, f"vm{number}")
        moves(stage, here, there)
        now = guest(there)
        for key in ("pages_written", "pages_checked", "operations", "stamps", "timer_interrupts"):
            expect(now[key] > seen[key], f"move {number}: {key} was {seen[key]} and is {now[key]}")
        expect(here.ask("quit")["ok"] and here.process.wait(20) == 0, f"vm{number - 1} ended badly")
        here, seen = there, now


@on_kvm
def case_the_guest_sees_the_downtime(stage):
    """By its own clock it stood still for as long as the report says. Slow devices make that more than what a busy machine adds."""
    slow = (*SMALL, "--transition-latency", "100ms")
    here, there = source(stage, device_options=slow), destination(stage, device_options=slow)
    done = move(stage, here, there)
    downtime = done.report["downtime_ms"]
    expect(downtime > 400, f"five transitions of 100 ms, and a downtime of {downtime} ms")
    before = guest(there)["pages_written"]
    wait_for("it to work", lambda: guest(there)["pages_written"] > before)
    pause = guest(there)["largest_pause_ns"] / 1e6
    expect(downtime / 2 < pause < 1.5 * downtime + 1000, f"a downtime of {downtime} ms, and the guest saw {pause} ms")
    there.expect_guest()


@on_kvm
def case_two_devices(stage):
    here, there = source(stage, nr_devices=2), destination(stage, nr_devices=2)
    moves(stage, here, there)
    expect([device["driver"] for device in there.status()["devices"]] == ["ref", "ref"], f"{there.status()['devices']}")


@on_kvm
def case_one_vcpu_without_devices(stage):
    here, there = source(stage, vcpus=1, nr_devices=0), destination(stage, vcpus=1, nr_devices=0)
    moves(stage, here, there)


@on_kvm
def case_four_vcpus(stage):
    here, there = source(stage, vcpus=4), destination(stage, vcpus=4)
    moves(stage, here, there)


def expect_logged(ram, name):
    """What was written in pre-copy was sent again: more pages than there are, and that is all it takes."""
    pages, sent = ram["total_bytes"] // 4096, ram["pages"] + ram["zero_pages"]
    expect(name in ram["dirty_log"], f"{ram}")
    expect(pages < sent < 2 * pages, f"{sent} pages were sent of {pages}")


@on_kvm
def case_by_bitmap(stage):
    """A pre-copy long enough that a guest writes in it; all of its memory is compared in the end."""
    here = source(stage, "source", "--dirty-log", "bitmap")
    there = destination(stage)
    expect_logged(moves(stage, here, there, "--bandwidth", "16M")["ram"], "bitmap")


@on_kvm
def case_by_ring(stage):
    """Where it can be had. Where not, the VM says so and does not begin."""
    process = stage.start("ring", "vm", "--cpu", "kvm", "--dirty-log", "ring", "--memory", "16M", "--incoming",
                          f"unix:{stage.path('ring.sock')}")
    wait_for("it to wait or to end", lambda: "waiting for" in said(stage, "ring") or process.poll() is not None)
    if process.poll() is not None:
        expect(process.returncode == 1, f"exit code {process.returncode}")
        expect_sentence(said(stage, "ring"), "ring")
        return
    here, there = source(stage, "source", "--dirty-log", "ring"), destination(stage)
    expect_logged(moves(stage, here, there, "--bandwidth", "16M")["ram"], "ring")


@on_kvm
def case_a_log_of_threads(stage):
    done = stage.run("vm", "--cpu", "kvm", "--dirty-log", "sync", "--memory", "16M")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "sync")


# --- refused: before anything was sent, with the guest running on


def refused(stage, here, there, *blockers):
    for words in ((), ("--dry-run",)):
        expect_blockers(stage, here, there, set(blockers), words)


@on_kvm
def case_kvm_to_threads(stage):
    refused(stage, source(stage), destination(stage, cpu="thread"), (HOST_LACKS, "vCPUs"))


@on_kvm
def case_threads_to_kvm(stage):
    refused(stage, source(stage, cpu="thread"), destination(stage), (HOST_LACKS, "vCPUs"))


@on_kvm
def case_another_number_of_vcpus(stage):
    refused(stage, source(stage, vcpus=2), destination(stage, vcpus=1), (HOST_LACKS, "vCPUs"))


@on_kvm
def case_a_missing_msr(stage):
    here, there = source(stage), destination(stage, "destination", "--lack", "msr:0x174")
    done = stage.migrate(here, there.incoming)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect([blocker["code"] for blocker in done.report["blockers"]] == [HOST_LACKS], f"{done.report['blockers']}")
    expect("0x174" in done.report["blockers"][0]["where"] + done.report["blockers"][0]["what"], f"{done.report['blockers']}")
    refused(stage, here, there, (HOST_LACKS, done.report["blockers"][0]["where"]))


@on_kvm
def case_a_missing_cpu_feature(stage):
    here, there = source(stage), destination(stage, "destination", "--lack", "cpuid:7")
    done = stage.migrate(here, there.incoming)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect({blocker["code"] for blocker in done.report["blockers"]} == {HOST_LACKS}, f"{done.report['blockers']}")
    expect("blackout_ms" not in done.report, "the guest was paused for it")
    here.expect_guest()
    expect(there.state == "incoming", f"the destination is {there.state}")


@on_kvm
def case_a_slot_that_cannot_be_mapped(stage):
    done = stage.run("vm", "--cpu", "kvm", "--memory", "16M", "--lack", "slot")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "could not be mapped")


@on_kvm
def case_a_lack_that_is_none(stage):
    for lack in ("msr", "msr:", "msr:x", "cpuid:-1", "courage"):
        done = stage.run("vm", "--cpu", "kvm", "--memory", "16M", "--lack", lack)
        expect(done.code == 1, f"{lack}: exit code {done.code}")
        expect_sentence(done.err, lack, "lack")


@on_kvm
def case_p2p(stage):
    done = stage.run("vm", "--cpu", "kvm", "--memory", "16M", "--p2p")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "--p2p")


# --- the guest, or what executes it, fails


FAULTS = {"triple-fault": ("triple", "shut"), "internal-error": ("internal",), "vcpu": ("vcpu",)}


def in_precopy(stage):
    here, there = source(stage, memory="16M"), destination(stage, memory="16M")
    command = stage.migrate_start(here, there.incoming, *SLOW, *EASY)
    here.wait_precopy()
    there.wait_state("receiving")
    return here, there, command


def expect_failed(stage, vm, *words):
    """The VM stays to be asked, and says why its guest does not run."""
    status = wait_for(f"{vm.name} to tell the failure", lambda: "failure" in vm.status() and vm.status())
    expect(status["state"] == "running", f"{vm.name} is {status['state']}")
    expect(any(word in status["failure"]["what"].lower() for word in words), f"{words}: {status['failure']}")
    people = stage.run("vm", "--control", vm.control, "status")
    expect(people.code == 1, f"status: exit code {people.code}")
    expect_sentence(people.err, *words)


def fails_in_precopy(stage, kind):
    here, there, command = in_precopy(stage)
    done = stage.run("vm", "--control", here.control, "fault", kind)
    expect(done.code == 0, f"fault: exit code {done.code}: {done.err}")
    done = stage.finish(command, SLOW_WAIT_S)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(done.report["outcome"] == "rolled-back", f"{done.report}")
    expect_sentence(done.report["error"]["what"].join(("godwit: ", "")), *FAULTS[kind])
    expect_failed(stage, here, *FAULTS[kind])
    there.wait_state("failed", "incoming")
    there.expect_no_guest()
    second = destination(stage, "second", memory="16M")
    again = migrate(stage, here, second)
    expect(again.code == ROLLED_BACK, f"a dead guest migrates: exit code {again.code}: {again.err}")
    expect_sentence(again.err, *FAULTS[kind])


@on_kvm
def case_a_triple_fault_in_precopy(stage):
    fails_in_precopy(stage, "triple-fault")


@on_kvm
def case_an_internal_error_in_precopy(stage):
    fails_in_precopy(stage, "internal-error")


@on_kvm
def case_a_vcpu_dies_in_precopy(stage):
    fails_in_precopy(stage, "vcpu")


@on_kvm
def case_a_fault_that_is_none(stage):
    vm = source(stage, nr_devices=0)
    for kind in ("", "boredom"):
        done = stage.run("vm", "--control", vm.control, "fault", kind)
        expect(done.code == 1, f"{kind!r}: exit code {done.code}")
        expect_sentence(done.err, f'"{kind}"')
    expect(not vm.ask("guest_fault")["ok"] and not vm.ask("guest_fault", kind=7)["ok"], "a fault of no kind")
    vm.expect_guest()
    waits = destination(stage, nr_devices=0)
    done = stage.run("vm", "--control", waits.control, "fault", "vcpu")
    expect(done.code == 1, f"a fault of a guest that is not there: exit code {done.code}")
    expect_sentence(done.err, "no guest")


# --- the migration fails: the guest does not


@on_kvm
def case_cancelled_in_precopy(stage):
    here, there, command = in_precopy(stage)
    expect(here.ask("cancel")["ok"], "cancel was refused")
    done = stage.finish(command, SLOW_WAIT_S)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    here.expect_guest()
    there.expect_no_guest()
    second = destination(stage, "second", memory="16M")
    moves(stage, here, second)


@on_kvm
def case_the_destination_is_killed_in_precopy(stage):
    here, there, command = in_precopy(stage)
    there.kill()
    done = stage.finish(command, SLOW_WAIT_S)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    here.expect_guest()


@on_kvm
def case_rolled_back_after_the_pause(stage):
    """The destination's device takes no state: the guest, which stood still, goes on as if nothing had been."""
    here = source(stage)
    uri, _ = stage.device("broken", *SMALL, "--fault", "set:RESUMING:STOP=EIO")
    there = stage.vm("destination", "--incoming", "tcp:127.0.0.1:0", "--vcpus", 2, devices=[uri], memory="32M", cpu="kvm")
    done = migrate(stage, here, there)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(done.report.get("blackout_ms", 0) > 0, "the guest was not paused: this case shows nothing")
    here.expect_guest()
    there.expect_no_guest()
    second = destination(stage, "second")
    moves(stage, here, second)


def killed_in_the_handover(stage, number, who):
    """One of the two VMs is killed in the first phases after the pause; the other has the guest, or can have it."""
    slow = (*SMALL, "--transition-latency", "30ms")
    here = source(stage, f"source{number}", device_options=slow)
    there = destination(stage, f"destination{number}", device_options=slow)
    events = here.watch()
    stage.migrate_start(here, there.incoming, *EASY, "--reconnect", "0")
    phases = ("idle", "connect", "manifest", "setup", "pre-copy")
    expect(next((event for event in events if event.get("phase") not in phases), None), "no handover")
    left, killed = (here, there) if who == "destination" else (there, here)
    killed.kill()
    state = left.wait_state("running", "failed", "moved", "incoming", "owner-unknown", seconds=60)
    lives = survives(stage, left, state)
    expect(lives or who == "source" or state == "moved", f"the {left.name} is {state} and has no guest")
    stage.end_processes()


@on_kvm
def case_killed_in_the_handover(stage):
    for number, who in enumerate(("destination", "source") * 2):
        try:
            killed_in_the_handover(stage, number, who)
        except Failed as failed:
            raise Failed(f"the {who} was killed, run {number}: {failed}") from None


# --- a kernel of a few bytes, as a bzImage: what Linux's way in and console have to do for it


ALPHABET = bytes.fromhex("66baf803"    # mov dx, 0x3f8: the serial port
                         "b061"        # mov al, 'a'
                         "ee"          # 1: out dx, al
                         "fec0"        # inc al
                         "3c7b7502"    # cmp al, 'z' + 1; jne 2
                         "b061"        # mov al, 'a'
                         "b9102700004975fd"  # 2: ten thousand times nothing
                         "ebed")       # jmp 1
TRIPLE_FAULT = bytes.fromhex("0f0b")   # ud2, and there is nobody to take it


def bzimage(stage, name, code):
    """A setup header as Documentation/arch/x86/boot.rst has it, and the code."""
    image = bytearray(1024)
    image[0x1f1] = 1  # one sector of setup code
    struct.pack_into("<H", image, 0x1fe, 0xaa55)
    struct.pack_into("<2s4sH", image, 0x200, b"\xeb\x6a", b"HdrS", 0x20f)
    image[0x211] = 1  # LOADED_HIGH
    struct.pack_into("<I", image, 0x214, 0x100000)
    struct.pack_into("<I", image, 0x22c, 0x7fffffff)
    struct.pack_into("<IBBHI", image, 0x230, 0x1000, 1, 12, 0, 255)
    struct.pack_into("<Q", image, 0x258, 0x100000)
    struct.pack_into("<I", image, 0x260, 0x10000)
    struct.pack_into("<I", image, 0x1f4, (len(code) + 15) // 16)
    path = stage.path(name)
    path.write_bytes(image + code.ljust((len(code) + 15) // 16 * 16, b"\0"))
    return path


@on_kvm
def case_a_console_without_a_gap(stage):
    """What a kernel says, on both sides of three moves, into one file: the alphabet, over and over."""
    words = ("--kernel", bzimage(stage, "alphabet", ALPHABET), "--console", stage.path("console"))
    options = {"vcpus": 1, "nr_devices": 0}

    def spoken():
        return stage.path("console").read_text(encoding="ascii") if stage.path("console").exists() else ""

    here = side(stage, "vm0", *words, **options)
    for number in range(1, 4):
        wait_for("a sentence", lambda at=len(spoken()): len(spoken()) > at + 40)
        there = destination(stage, f"vm{number}", *words, **options)
        move(stage, here, there)
        expect(here.ask("quit")["ok"], "quit")
        here = there
    wait_for("a last sentence", lambda at=len(spoken()): len(spoken()) > at + 40)
    text = spoken()
    wrong = next((i for i, letter in enumerate(text) if letter != chr(ord("a") + i % 26)), None)
    expect(wrong is None, f"at {wrong} of {len(text)}: {text[max(0, (wrong or 0) - 30):(wrong or 0) + 30]!r}")


@on_kvm
def case_a_guest_that_dies_ends_its_vm(stage):
    """Where nobody can ask: there is no control socket."""
    kernel = bzimage(stage, "dies", TRIPLE_FAULT)
    done = stage.run("vm", "--cpu", "kvm", "--memory", "32M", "--vcpus", 1, "--kernel", kernel)
    expect(done.code == 1, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, *FAULTS["triple-fault"])


@on_kvm
def case_a_guest_that_dies_leaves_its_vm(stage):
    """Where somebody can."""
    vm = side(stage, "vm", "--kernel", bzimage(stage, "dies", TRIPLE_FAULT), vcpus=1, nr_devices=0)
    expect_failed(stage, vm, *FAULTS["triple-fault"])
    expect(vm.ask("quit")["ok"] and vm.process.wait(20) == 0, "quit")


@on_kvm
def case_a_kernel_that_is_none(stage):
    nonsense = stage.path("nonsense")
    nonsense.write_bytes(os.urandom(4096))
    for kernel in (nonsense, stage.path("none"), stage.dir, "/dev/null"):
        done = stage.run("vm", "--cpu", "kvm", "--memory", "32M", "--kernel", kernel)
        expect(done.code == 1, f"{kernel}: exit code {done.code}")
        expect_sentence(done.err, str(kernel))


# --- for everybody


@on_kvm
def case_demo(stage):
    small = ("demo", "--cpu", "kvm", "--memory", "64M", "--state-size", "64K", "--dirty-rate", "10M")
    done = stage.run(*small, "--json")
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    report = done.report
    expect(report["verified"] and report["guest"]["cpu"] == "KVM" and report["options"]["cpu"] == "kvm", done.out)
    expect(report["guest"]["source_errors"] == report["guest"]["destination_errors"] == 0, f"{report['guest']}")
    expect("largest_pause_ns" in report["guest"], f"{report['guest']}")  # how large: the_guest_sees_the_downtime
    people = stage.run(*small)
    expect(people.code == 0, f"exit code {people.code}: {people.err}")
    for text in ("the guest runs on KVM", "completed, verified", "the guest's own clock saw a pause of", "no errors"):
        expect(text in people.out, f'no "{text}" in:\n{people.out}')


case_ten_moves_back_and_forth.seconds = 240
case_killed_in_the_handover.seconds = 180
