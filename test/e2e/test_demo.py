# SPDX-License-Identifier: BSD-3-Clause
"""godwit demo: what a newcomer types first."""

import json
import os
import signal

from harness import Failed, expect, expect_sentence, wait_for

SMALL = ("demo", "--cpu", "thread", "--memory", "128M", "--state-size", "8M")


def demo(stage, *words):
    done = stage.run(*SMALL, "--json", *words, env={**os.environ, "TMPDIR": str(stage.dir)})
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    report = done.report
    expect(report["outcome"] == "completed", f"outcome {report['outcome']}")
    expect(report["verified"] is True, "not verified")
    expect(report["guest"]["source_errors"] == report["guest"]["destination_errors"] == 0, f"{report['guest']}")
    expect_nothing_left(stage)
    return report


def expect_nothing_left(stage):
    left = list(stage.dir.glob("godwit-demo-*"))
    expect(not left, f"left behind: {left}")


def case_tcp(stage):
    demo(stage)


def case_unix(stage):
    demo(stage, "--transport", "unix", "--channels", "1")


def case_report_is_whole(stage):
    """Every key that doc/json.md promises is there, and the parts of the downtime add up to it."""
    report = demo(stage, "--devices", "2")
    keys = {"godwit", "outcome", "verified", "total_ms", "downtime_ms", "downtime_limit_ms", "predicted_ms",
            "predicted", "prediction_error_percent", "handover", "reconnects", "blockers", "downtime", "ram", "vm_state_bytes", "devices", "peak_rss_bytes", "guest", "options"}
    expect(keys <= report.keys(), f"absent: {keys - report.keys()}")
    parts = sum(report["downtime"].values())
    expect(abs(parts - report["downtime_ms"]) < 1 + 0.05 * parts, f"parts {parts} ms, whole {report['downtime_ms']} ms")
    expect(set(report["predicted"]) == set(report["downtime"]), f"parts of a prediction: {report['predicted']}")
    off = 100 * (report["predicted_ms"] - report["downtime_ms"]) / report["downtime_ms"]
    expect(abs(off - report["prediction_error_percent"]) < 0.1, f"{off} is not {report['prediction_error_percent']}")
    expect(set(report["handover"]) == {"arbiter", "claimed_by", "committed", "taken_back", "allowed_no_p2p",
                                       "throttle_percent", "dry_run"}, f"{report['handover']}")
    expect(report["handover"]["committed"] and report["reconnects"] == 0 and report["blockers"] == [], f"{report}")
    expect(len(report["devices"]) == 2, f"{len(report['devices'])} devices")
    for device in report["devices"]:
        sides = {arc["side"] for arc in device["transitions"]}
        expect(sides == {"source", "destination"}, f"transitions of {sides} only")
        expect(device["verified"], f"{device['id']} was not compared")
        expect(device["dirty_source"] == "device" and device["rearmed"] == 0, f"{device}")
        moved = device["precopy_bytes"] + device["stop_copy_bytes"]
        expect(moved > 0, f"{device['id']}: nothing moved")
    expect(report["ram"]["total_bytes"] == 128 << 20, f"{report['ram']}")


def case_without_devices(stage):
    report = demo(stage, "--devices", "0")
    expect(report["devices"] == [], "devices out of nowhere")


def case_one_vcpu_one_device(stage):
    demo(stage, "--vcpus", "1", "--devices", "1", "--state-size", "64K")


def case_slow_transitions_run_in_parallel(stage):
    """Four devices whose every transition takes 50 ms cost the guest what one such device costs."""
    words = ("--transition-latency", "50ms", "--downtime-limit", "2s", "--state-size", "1M")
    one = demo(stage, "--devices", "1", *words)["downtime_ms"]
    four = demo(stage, "--devices", "4", *words)["downtime_ms"]
    expect(four < 2 * one + 50, f"one device {one:.0f} ms, four {four:.0f} ms")


def case_for_people(stage):
    done = stage.run(*SMALL)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    for text in ("completed, verified", "downtime", "predicted", "RAM", "dev0", "dev1", "no errors"):
        expect(text in done.out, f'no "{text}" in the output:\n{done.out}')
    expect("\033" not in done.out, "terminal sequences, and no terminal")
    expect(not done.err, f"stderr: {done.err}")


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        raise Failed("the demo has ended too early") from None


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().split()[2] == "Z"
    except OSError:
        return True


def interrupted(stage, number):
    """A demo in the middle, ended by a signal; returns its processes and how it went."""
    env = {**os.environ, "TMPDIR": str(stage.dir)}
    process = stage.start("demo", *SMALL, "--bandwidth", "4M", env=env)
    wait_for("all processes of the demo", lambda: len(children_of(process.pid)) == 6)
    children = children_of(process.pid)
    process.send_signal(number)
    stage.finish(process)
    wait_for("its processes to be gone", lambda: all(map(is_gone, children)))
    return process.returncode


def case_ctrl_c_leaves_nothing(stage):
    expect(interrupted(stage, signal.SIGINT) != 0, "interrupted, and exit code 0")
    expect_nothing_left(stage)


def case_killed_leaves_no_process(stage):
    interrupted(stage, signal.SIGKILL)


def case_more_memory_than_there_is(stage):
    done = stage.run("demo", "--memory", "4T")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "--memory")


def case_json_of_a_failure(stage):
    done = stage.run("demo", "--memory", "4T", "--json")
    expect(done.code == 1, f"exit code {done.code}")
    expect(json.loads(done.out)["error"]["code"] == "ENOMEM", done.out)
