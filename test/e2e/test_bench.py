# SPDX-License-Identifier: BSD-3-Clause
"""Bench and estimate: what they measure, that a difference is told and noise is not, and that devices are put back."""

import json
import pathlib
import signal

from harness import expect, expect_sentence, wait_for

ANSWER_IS_NO = 5
SMALL = ("--state-size", "256K")
SIZES = {"4K", "64K", "256K", "1M"}

PLAIN_ARCS = {"STOP:STOP_COPY", "STOP_COPY:STOP", "STOP:RESUMING", "RESUMING:STOP"}
NO_P2P_ARCS = {"RUNNING:STOP", "STOP:RUNNING"}
P2P_ARCS = {"RUNNING:RUNNING_P2P", "RUNNING_P2P:RUNNING", "RUNNING_P2P:STOP", "STOP:RUNNING_P2P"}
PRECOPY_ARCS = {"RUNNING:PRE_COPY", "PRE_COPY:RUNNING"}
BOTH_ARCS = {"RUNNING_P2P:PRE_COPY_P2P", "PRE_COPY_P2P:RUNNING_P2P", "PRE_COPY:PRE_COPY_P2P", "PRE_COPY_P2P:PRE_COPY",
             "PRE_COPY_P2P:STOP_COPY"}

# (options of the device, arcs that the uAPI gives it)
DEVICES = (
    ((), PLAIN_ARCS | P2P_ARCS | PRECOPY_ARCS | BOTH_ARCS),
    (("--no-p2p",), PLAIN_ARCS | NO_P2P_ARCS | PRECOPY_ARCS | {"PRE_COPY:STOP_COPY"}),
    (("--no-precopy",), PLAIN_ARCS | P2P_ARCS),
    (("--no-p2p", "--no-precopy"), PLAIN_ARCS | NO_P2P_ARCS),
)


def bench(stage, *words, code=0):
    done = stage.run("bench", "--json", *words)
    expect(done.code == code, f"bench {words}: exit code {done.code}: {done.err}")
    expect(not done.err, f"stderr: {done.err}")
    return done.report


def names(document, group, on="device"):
    return {m["name"] for m in document["measures"] if m["group"] == group and m["on"] == on}


def expect_series(document, rounds):
    for m in document["measures"]:
        what = f"{m['on']} {m['group']} {m['name']}"
        expect(m["count"] == len(m["samples"]) == rounds, f"{what}: {m['count']} samples")
        expect(m["samples"] == sorted(m["samples"]) and m["samples"][0] >= 0, f"{what}: {m['samples']}")
        expect(m["min"] <= m["p50"] <= m["p99"] <= m["max"], f"{what}: {m}")
        expect(m["unit"] in ("us", "bytes", "bytes_per_s"), f"{what}: {m['unit']}")
        expect(("p50_between" in m) == (rounds >= 8), f"{what}: {m.get('p50_between')} of {rounds} samples")


def last_state(path):
    """Where a device was left, by the trace of all that was said to it."""
    for line in reversed(path.read_text().splitlines()):
        call = json.loads(line)
        said = {**call["arguments"], **call["answers"]}
        if "device_state" in said and call["result"] == 0:
            return said["device_state"]
    return None


def save(stage, name, document):
    path = stage.path(name)
    path.write_text(json.dumps(document))
    return path


def case_every_arc(stage):
    for options, arcs in DEVICES:
        uri, _ = stage.device("device", *SMALL, *options)
        document = bench(stage, "--rounds", "2", uri)
        expect(document["document"] == "bench" and document["rounds"] == 2, f"{document}")
        expect(names(document, "arc") == arcs, f"{options}: {names(document, 'arc') ^ arcs}")
        expect(names(document, "read") == names(document, "load") == SIZES, f"{options}: {document['measures']}")
        expect(names(document, "stop-copy") == {"bytes", "time"}, f"{options}: no stop-copy")
        expect(("precopy_curve" in document) == ("--no-precopy" not in options), f"{options}: the curve")
        expect(document["state_bytes"] >= 256 << 10, f"{document['state_bytes']}")
        expect_series(document, 2)
        stage.end_processes()


def case_intervals_need_samples(stage):
    uri, _ = stage.device("device", "--state-size", "64K")
    expect_series(bench(stage, "--rounds", "8", uri), 8)


def case_precopy_curve(stage):
    """It begins with the initial bytes and ends with nothing, and what was read explains it."""
    uri, _ = stage.device("device", "--state-size", "8M", "--initial-size", "2M")
    document = bench(stage, "--rounds", "1", uri)
    points = document["precopy_curve"]["points"]
    expect(document["precopy_curve"]["ended"] == "empty", f"{document['precopy_curve']}")
    first, last = points[0], points[-1]
    expect(first["us"] == 0 and first["read_bytes"] == 0, f"{first}")
    expect(first["initial_bytes"] >= 2 << 20, f"{first}")
    expect(last["initial_bytes"] == last["dirty_bytes"] == 0 and last["read_bytes"] >= 8 << 20, f"{last}")
    for before, after in zip(points, points[1:]):
        expect(before["us"] <= after["us"] and before["read_bytes"] < after["read_bytes"], f"{before} {after}")
        expect(before["initial_bytes"] >= after["initial_bytes"], f"{before} {after}")
        expect(after["initial_bytes"] + after["dirty_bytes"] + after["read_bytes"] >= 8 << 20, f"{after}")


def case_known_times_are_in_it(stage):
    uri, _ = stage.device("device", *SMALL, "--transition-latency", "3ms", "--arc-latency", "STOP:RESUMING=9ms",
                          "--load-rate", "16M")
    document = bench(stage, "--rounds", "2", uri)
    for m in document["measures"]:
        if m["group"] == "arc":
            expect(m["min"] >= (9000 if m["name"] == "STOP:RESUMING" else 3000), f"{m}")
    whole = next(m for m in document["measures"] if m["group"] == "load-time")
    expect(whole["min"] >= 3000 + 5000, f"{whole}")  # 256K at 16M/s, and a way out of RESUMING


def case_as_many_rounds_as_fit(stage):
    uri, _ = stage.device("device", "--state-size", "64K", "--transition-latency", "1ms")
    document = bench(stage, uri)
    expect(10 <= document["rounds"] < 1000 and document["took_ms"] >= 5000, f"{document['rounds']} rounds in "
           f"{document['took_ms']} ms")
    expect_series(document, document["rounds"])


def case_a_peer_loads(stage):
    uri, _ = stage.device("device", *SMALL)
    peer, _ = stage.device("peer", *SMALL, "--arc-latency", "RESUMING:STOP=5ms")
    document = bench(stage, "--rounds", "2", uri, peer)
    expect(document["peer"]["uri"] == peer, f"{document['peer']}")
    expect(names(document, "load", "peer") == SIZES, "the peer was not loaded")
    expect(names(document, "read", "peer") == set(), "the peer was read")
    expect(not any("COPY" in name for name in names(document, "arc", "peer")), f"{names(document, 'arc', 'peer')}")
    leave = next(m for m in document["measures"] if m["on"] == "peer" and m["name"] == "RESUMING:STOP")
    expect(leave["min"] >= 5000, f"{leave}")
    expect_series(document, 2)


def case_together(stage):
    """One of the others is slow: the slowest arc shows it, the device's own does not."""
    uri, _ = stage.device("device", *SMALL)
    others = [stage.device("slow", *SMALL, "--arc-latency", "STOP:STOP_COPY=30ms")[0], stage.device("quick", *SMALL)[0]]
    document = bench(stage, "--rounds", "2", *(word for other in others for word in ("--also", other)), uri)
    parallel = document["parallel"]
    expect(parallel["devices"] == 3 and parallel["also"] == others, f"{parallel}")
    expect({r["name"] for r in parallel["ratios"] if r["group"] == "arc"} == DEVICES[0][1], f"{parallel['ratios']}")
    expect({r["name"] for r in parallel["ratios"] if r["group"] == "read" and r["all"] > 0} == SIZES, f"{parallel}")
    of_all = next(m for m in document["measures"] if m["on"] == "all" and m["name"] == "STOP:STOP_COPY")
    own = next(m for m in document["measures"] if m["on"] == "together" and m["name"] == "STOP:STOP_COPY")
    expect(of_all["min"] >= 30000 and own["min"] < of_all["min"], f"{own} {of_all}")
    expect_series(document, 2)


def case_together_with_another_kind(stage):
    """Devices with different states are measured at once all the same: what one lacks it sits out."""
    uri, _ = stage.device("device", *SMALL)
    other, _ = stage.device("other", *SMALL, "--no-p2p", "--no-precopy")
    expect(names(bench(stage, "--rounds", "1", "--also", other, uri), "arc", "together") == DEVICES[0][1], "arcs")


def case_for_people(stage):
    uri, _ = stage.device("device", *SMALL)
    other, _ = stage.device("other", *SMALL)
    done = stage.run("bench", "--rounds", "8", "--also", other, uri)
    expect(done.code == 0 and not done.err, f"{done}")
    for text in ("RUNNING -> RUNNING_P2P", "RESUMING -> STOP", "by buffer size", "pre-copy", "stop-copy", "2 devices at once"):
        expect(text in done.out, f'no "{text}" in:\n{done.out}')


def case_diff_with_itself(stage):
    uri, _ = stage.device("device", *SMALL)
    path = save(stage, "a.json", bench(stage, "--rounds", "9", uri))
    diff = bench(stage, "--diff", path, path)
    expect(diff["worse"] == 0 and diff["differences"] == diff["only_a"] == diff["only_b"] == [], f"{diff}")
    expect(diff["series"] and {row["verdict"] for row in diff["series"]} == {"same"}, f"{diff['series']}")
    few = save(stage, "few.json", bench(stage, "--rounds", "2", uri))
    diff = bench(stage, "--diff", few, path)
    expect({row["verdict"] for row in diff["series"]} == {"unsure"}, f"{diff['series']}")


def case_a_slower_arc_is_told(stage):
    """And nothing else is: all that takes time takes a time that the host's noise is small against."""
    paced = (*SMALL, "--transition-latency", "2ms", "--read-rate", "16M", "--load-rate", "16M")
    uri, _ = stage.device("device", *paced)
    slow, _ = stage.device("slow", *paced, "--arc-latency", "RUNNING:RUNNING_P2P=20ms")
    a, b = (save(stage, f"{name}.json", bench(stage, "--rounds", "10", u)) for name, u in (("a", uri), ("b", slow)))
    words = ("--diff", "--threshold", "300%")
    diff = bench(stage, *words, a, b, code=ANSWER_IS_NO)
    worse = [(row["group"], row["name"], row["on"]) for row in diff["series"] if row["verdict"] == "worse"]
    expect(worse == [("arc", "RUNNING:RUNNING_P2P", "device")] and diff["worse"] == 1, f"worse: {worse}")
    diff = bench(stage, *words, b, a)
    better = [row["name"] for row in diff["series"] if row["verdict"] == "better"]
    expect(diff["worse"] == 0 and better == [], f"better: {better}")  # it cannot fall by 300 %
    expect(bench(stage, "--diff", "--threshold", "10000%", a, b)["worse"] == 0, "over a threshold of 100 times")
    done = stage.run("bench", *words, a, b)
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}")
    told = [line for line in done.out.splitlines() if line.endswith("  worse")]
    expect(len(told) == 1 and "RUNNING:RUNNING_P2P" in told[0], f"{done.out}")


def case_another_device_is_named(stage):
    uri, _ = stage.device("device", *SMALL)
    less, _ = stage.device("less", *SMALL, "--no-precopy")
    a, b = (save(stage, f"{name}.json", bench(stage, "--rounds", "1", u)) for name, u in (("a", uri), ("b", less)))
    diff = bench(stage, "--diff", a, b)
    expect("migration_flags" in {row["key"] for row in diff["differences"]}, f"{diff['differences']}")
    gone = {row["name"] for row in diff["only_a"] if row["group"] == "arc"}
    expect(gone == DEVICES[0][1] - DEVICES[2][1] and diff["only_b"] == [], f"{gone}")
    done = stage.run("bench", "--diff", a, b)
    for text in ("migration_flags", "only in A", "cannot tell"):
        expect(text in done.out, f'no "{text}" in:\n{done.out}')


def case_wrong_files(stage):
    uri, _ = stage.device("device", "--state-size", "64K")
    good = save(stage, "good.json", bench(stage, "--rounds", "1", uri))
    for name, text, told in (("none", None, "No such file"), ("empty", "", "no JSON"), ("text", "hello", "no JSON"),
                             ("cut", good.read_text()[:-20], "no JSON"), ("probe", "{}", "no output of"),
                             ("list", "[]", "no output of"),
                             ("bad", good.read_text().replace('"samples": [', '"samples": ["x", '), "measure 1")):
        path = stage.path(name)
        if text is not None:
            path.write_text(text)
        for pair in ((good, path), (path, good)):
            done = stage.run("bench", "--diff", *pair)
            expect(done.code == 1 and not done.out, f"{name}: exit code {done.code}")
            expect_sentence(done.err, told)
            expect(name in done.err, f"{name} is not named: {done.err}")


def case_wrong_usage(stage):
    for words, told in ((("bench",), "DEVICE"), (("bench", "--diff", "a"), "two files"),
                        (("bench", "--diff", "--threshold", "much", "a", "b"), "--threshold"),
                        (("bench", "--diff", "--rounds", "3", "a", "b"), "--diff"),
                        (("bench", "vfio-user:x", "vfio-user:x"), "twice"),
                        (("bench", "--also", "vfio-user:y", "vfio-user:x", "vfio-user:y"), "twice"),
                        (("estimate", "--bandwidth", "1G", "vfio-user:x", "vfio-user:x"), "twice"),
                        (("estimate", "--bandwidth", "1G", "--peer", "vfio-user:x", "vfio-user:x"), "twice"),
                        (("estimate", "vfio-user:x"), "--bandwidth"), (("estimate", "--bandwidth", "1G"), "DEVICE"),
                        (("estimate", "--bandwidth", "25Gb", "vfio-user:x"), "--bandwidth"),
                        (("estimate", "--bandwidth", "1G", "--dirty-rate", "1M", "vfio-user:x"), "--memory"),
                        (("estimate", "--bandwidth", "1G", "--peer", "a", "--peer", "b", "vfio-user:x"), "--peer")):
        done = stage.run(*words)
        expect(done.code == 2, f"{words}: exit code {done.code}: {done.err}")
        expect_sentence(done.err, told)


def case_devices_that_cannot_be_measured(stage):
    uri, _ = stage.device("device", "--state-size", "1M")
    cannot, _ = stage.device("cannot", "--no-migration")
    nobody = f"vfio-user:{stage.path('nobody.sock')}"
    estimate = ("estimate", "--bandwidth", "1G")
    for words, told in ((("bench", cannot), "cannot migrate"), (("bench", uri, cannot), "cannot migrate"),
                        (("bench", "--also", cannot, uri), "cannot migrate"), (("bench", nobody), "nobody.sock"),
                        (("bench", "--max-state", "64K", uri), "--max-state"), ((*estimate, uri, cannot), "cannot migrate"),
                        ((*estimate, "--max-state", "64K", uri), "--max-state"), ((*estimate, nobody), "nobody.sock")):
        done = stage.run(*words)
        expect(done.code == 1 and not done.out, f"{words}: exit code {done.code}: {done.out}")
        expect_sentence(done.err, told)
    bench(stage, "--rounds", "1", uri)  # it is none the worse for it


def blocks_sigint(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return int(mask, 16) >> (signal.SIGINT - 1) & 1


def case_interrupted(stage):
    """In whatever state the device is then, it is left in RUNNING."""
    uri, _ = stage.device("device", *SMALL, "--transition-latency", "5ms", "--load-rate", "4M", "--read-rate", "4M")
    for nr, command in enumerate((("bench", "--rounds", "1000"), ("estimate", "--rounds", "1000", "--bandwidth", "1G")) * 2):
        trace = stage.path(f"trace{nr}")
        process = stage.start("interrupted", *command, "--trace-json", trace, uri, stdout=-1, stderr=-1, text=True)
        wait_for("signals to be listened for", lambda: blocks_sigint(process))
        wait_for("the device to be loaded", lambda: trace.exists() and "RESUMING" in trace.read_text())
        process.send_signal(signal.SIGINT)
        done = stage.finish(process)
        expect(done.code == 1 and not done.out, f"exit code {done.code}: {done.out}")
        expect_sentence(done.err, "interrupted")
        expect(last_state(trace) == "RUNNING", f"it was left in {last_state(trace)}")
    bench(stage, "--rounds", "1", uri)


def case_a_device_that_fails(stage):
    """One sentence, and it is put back, whatever it was that failed: an arc, a read, a write, the load."""
    for fault, told in (("arc:STOP:STOP_COPY=EIO", "STOP -> STOP_COPY"), ("read:STOP_COPY=EIO", ""), ("write=EIO", ""),
                        ("load=EINVAL", "RESUMING -> STOP"), ("read:PRE_COPY=EIO,after=1", ""),
                        ("arc:PRE_COPY_P2P:STOP_COPY=EIO", "PRE_COPY_P2P -> STOP_COPY")):
        uri, process = stage.device("device", *SMALL, "--fault", f"{fault},times=1")
        for command in (("bench", "--rounds", "1"), ("estimate", "--rounds", "1", "--bandwidth", "1G")):
            trace = stage.path("trace")
            done = stage.run(*command, "--trace-json", trace, uri)
            if command[0] == "bench":
                expect(done.code == 1 and not done.out, f"{fault}: exit code {done.code}: {done.out}")
                expect_sentence(done.err, told)
            else:
                expect(done.code == 0 and not done.err, f"{fault}: it struck once: {done.err}")
            expect(last_state(trace) == "RUNNING", f"{fault}: left in {last_state(trace)}")
        process.kill()
        process.wait()


def estimate(stage, *words, code=0):
    done = stage.run("estimate", "--json", *words)
    expect(done.code == code, f"estimate {words}: exit code {done.code}: {done.err}")
    document = done.report
    parts = document["downtime"].values()
    expect(abs(sum(parts) - document["downtime_ms"]) < 0.01, f"{document['downtime']}: {document['downtime_ms']}")
    return document


def case_estimate(stage):
    """What is known of the devices is in it: two arcs to stop them, one to leave RESUMING, two to start."""
    devices = [stage.device(f"dev{i}", *SMALL, "--transition-latency", "20ms")[0] for i in range(2)]
    document = estimate(stage, "--rounds", "2", "--bandwidth", "25Gbit", *devices)
    downtime = document["downtime"]
    expect(document["bandwidth_bytes_per_s"] == 3125000000, f"{document['bandwidth_bytes_per_s']}")
    expect(downtime["quiesce_ms"] >= 40 and downtime["load_ms"] >= 20 and downtime["resume_ms"] >= 40, f"{downtime}")
    expect(downtime["pause_ms"] == downtime["sync_ms"] == downtime["commit_ms"] == 0, f"{downtime}")
    expect([d["uri"] for d in document["devices"]] == devices, f"{document['devices']}")
    expect({"same-destination", "no-ram", "no-round-trip"} <= set(document["assumes"]), f"{document['assumes']}")
    for limit, code in (("50ms", ANSWER_IS_NO), ("100s", 0)):
        document = estimate(stage, "--rounds", "1", "--bandwidth", "1G", "--limit", limit, *devices, code=code)
        expect(document["within_limit"] == (not code), f"{limit}: {document['within_limit']}")
        done = stage.run("estimate", "--rounds", "1", "--bandwidth", "25Gbit", "--limit", limit, *devices)
        expect(done.code == code and "25.0 Gbit/s" in done.out, f"{done}")
        expect(("over it" if code else "within it") in done.out, f"{done.out}")


def case_estimate_with_peers(stage):
    uri, _ = stage.device("device", *SMALL)
    peer, _ = stage.device("peer", *SMALL, "--arc-latency", "RESUMING:STOP=50ms")
    words = ("--rounds", "1", "--bandwidth", "1G")
    here, there = estimate(stage, *words, uri), estimate(stage, *words, "--peer", peer, uri)
    expect("same-destination" not in there["assumes"] and there["devices"][0]["peer"] == peer, f"{there}")
    expect(there["downtime"]["load_ms"] >= 50, f"{there['downtime']}")
    expect(here["downtime"]["load_ms"] < there["downtime"]["load_ms"], f"{here['downtime']}")


def case_estimate_of_ram(stage):
    uri, _ = stage.device("device", *SMALL)
    plain = ("--rounds", "1", "--bandwidth", "100M", "--memory", "1G", "--limit", "300ms", uri)
    slow = estimate(stage, "--dirty-rate", "10M", *plain)["ram"]
    expect(slow["converges"] and slow["total_bytes"] == 1 << 30 and slow["rounds"] > 1, f"{slow}")
    expect(slow["precopy_ms"] >= 10240 and slow["left_bytes"] < 30 << 20, f"{slow}")
    fast = estimate(stage, "--dirty-rate", "200M", *plain, code=ANSWER_IS_NO)
    expect(not fast["ram"]["converges"] and "did not converge" in fast["why"], f"{fast}")


def case_estimate_without_a_log(stage):
    """A device that does not tell what it wrote: all RAM travels while the guest is paused."""
    uri, _ = stage.device("device", *SMALL, "--no-dma-log")
    document = estimate(stage, "--rounds", "1", "--bandwidth", "100M", "--memory", "1G", uri)
    expect(document["devices"][0]["untracked"] and document["downtime"]["transfer_ms"] >= 10000, f"{document}")


def case_estimate_against_a_migration(stage):
    """Neither can be shorter than what the devices take for certain."""
    slow = (*SMALL, "--transition-latency", "20ms")
    devices = [stage.device(f"dev{i}", *slow)[0] for i in range(2)]
    document = estimate(stage, "--rounds", "2", "--bandwidth", "1G", "--memory", "64M", "--dirty-rate", "10M", *devices)
    source = stage.side("source", nr_devices=2, device_options=slow, dirty_rate="10M").worked()
    destination = stage.destination(nr_devices=2, device_options=slow)
    done = stage.migrate(source, destination.incoming, "--downtime-limit", "1s")
    stage.expect_moved(source, destination, done)
    for what, ms, parts in (("estimate", document["downtime_ms"], document["downtime"]),
                            ("migration", done.report["downtime_ms"], done.report["downtime"])):
        expect(ms >= 80 and parts["quiesce_ms"] >= 40 and parts["resume_ms"] >= 40, f"{what}: {ms} ms: {parts}")
