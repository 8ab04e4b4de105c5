# SPDX-License-Identifier: BSD-3-Clause
"""What is said to a device: --trace of commands, "godwit trace" around one, and between a client and a server."""

import json
import os
import signal
import socket

from harness import expect, expect_sentence, wait_for


def calls(path):
    """Whole lines of JSON, each a call or a note."""
    text = path.read_text()
    expect(text.endswith("\n"), f"{path.name} does not end with a whole line")
    return [json.loads(line) for line in text.splitlines()]


def calls_so_far(path):
    """The same of a trace that is being written: the last line may be half there."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def named(lines, name, **arguments):
    return [c for c in lines if c["name"] == name
            and all(c["arguments"].get(k) == v for k, v in arguments.items())]


def proxy(stage, uri, name="proxy", *words):
    """A "godwit trace --listen" that waits for clients: its process, the URI for them, the file of its trace."""
    path, trace = stage.path(f"{name}.sock"), stage.path(f"{name}.json")
    process = stage.start(name, "trace", uri, "--listen", path, "--json", "--output", trace, *words)

    def waits():
        expect(process.poll() is None, f"{name} ended with exit code {process.returncode}")
        return trace.exists() and "waiting for clients" in trace.read_text()

    wait_for(f"{name} to wait for clients", waits)
    return process, f"vfio-user:{path}", trace


def stop(process, trace):
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=20)
    expect(code == 0, f"the proxy ended with exit code {code}")
    return calls(trace)


def case_probe(stage):
    uri, _ = stage.device("dev")
    trace, text = stage.path("trace.json"), stage.path("trace.txt")
    done = stage.run("probe", uri, "--enter-precopy", "--json", "--trace-json", trace, "--trace", text)
    expect(done.code == 0 and done.report["state"] == "RUNNING", f"{done}")
    lines = calls(trace)
    expect(lines[0]["name"] == "VERSION" and "godwit" in lines[0]["arguments"]["capabilities"], f"{lines[0]}")
    expect(lines[0]["answers"]["fds"] == 1, f"no data socket: {lines[0]}")
    went = named(lines, "DEVICE_FEATURE", feature="MIG_DEVICE_STATE", operation="SET")
    expect([c["arguments"]["device_state"] for c in went] == ["PRE_COPY", "RUNNING"], f"{went}")
    expect(all(c["result"] == 0 and c["took_us"] > 0 for c in went), f"{went}")
    info = named(lines, "DEVICE_FEATURE", feature="GODWIT_PRECOPY_INFO", operation="GET")
    expect(info[0]["answers"]["initial_bytes"] == done.report["precopy"]["initial_bytes"], f"{info}")
    expect(all(c["device"] == "device" and c["kind"] == "message" for c in lines), "of another device, or kind")
    times = [c["at_ms"] for c in lines]
    expect(times == sorted(times) and times[0] < 60000, "times do not begin with the command")
    expect(len(text.read_text().splitlines()) == len(lines), "the two traces differ in length")
    expect("message VERSION(major=0" in text.read_text(), "VERSION is missing in the readable one")


def case_around_a_command(stage):
    uri, _ = stage.device("dev")
    plain = stage.run("probe", uri, "--json")
    done = stage.run("trace", uri, "--", "probe", "--json")
    expect(done.code == 0 and done.report == plain.report, f"{done}")
    expect("message VERSION(" in done.err and "message DEVICE_GET_INFO(" in done.err, f"{done.err}")
    trace = stage.path("trace.json")
    done = stage.run("trace", "--json", "--output", trace, uri, "--", "probe", "--json")
    expect(done.code == 0 and done.report == plain.report and not done.err, f"{done}")
    expect(named(calls(trace), "VERSION"), "no VERSION")
    done = stage.run("trace", "vfio-user:/nowhere", "--", "probe")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "/nowhere")


def case_vm(stage):
    """A VM's own devices; the trace is there as it goes, and whole when it has ended."""
    uri, _ = stage.device("dev", "--state-size", "1M")
    trace = stage.path("vm.json")
    vm = stage.vm("vm", "--trace-json", trace, devices=[uri]).worked()
    wait_for("region accesses in the trace", lambda: named(calls_so_far(trace), "REGION_WRITE"))
    vm.ask("quit")
    expect(vm.process.wait(timeout=20) == 0, "the VM failed")
    lines = calls(trace)
    expect(named(lines, "DMA_MAP") and named(lines, "DMA_MAP")[0]["arguments"]["fds"] == 1, "no memory")
    expect(all(c["device"] == "dev0" for c in lines), "of another device")


def case_demo(stage):
    """Of the source's devices."""
    trace = stage.path("demo.json")
    done = stage.run("demo", "--cpu", "thread", "--memory", "64M", "--state-size", "1M", "--json", "--trace-json", trace)
    expect(done.code == 0, f"{done}")
    lines = calls(trace)
    expect({c["device"] for c in lines} == {"dev0", "dev1"}, "not of the two devices")
    expect(named(lines, "MIG_DATA_READ") and not named(lines, "MIG_DATA_WRITE"), "not of the source")


def case_proxy_clients(stage):
    """Two clients one after the other, each served as by the server itself."""
    uri, _ = stage.device("dev")
    plain = stage.run("probe", uri, "--enter-precopy", "--json").report
    process, through, trace = proxy(stage, uri)
    for _ in range(2):
        done = stage.run("probe", through, "--enter-precopy", "--json")
        expect(done.code == 0, f"{done}")
        expect({**done.report, "uri": uri} == plain, f"{done.report} is not {plain}")
    lines = stop(process, trace)
    for client in ("client1", "client2"):
        said = [c for c in lines if c["device"] == client]
        expect([c["name"] for c in said if c["kind"] == "note"] == ["came", "left"], f"{client}: {said}")
        expect(said[1]["name"] == "VERSION" and said[1]["answers"]["fds"] == 1, f"{said[1]}")
        expect(any(c["name"] == "DEVICE_FEATURE" for c in said), f"{client} asked for no feature")
    expect(not stage.path("proxy.sock").exists(), "the socket was left behind")


def case_proxy_migration(stage):
    """A VM whose device is behind one: memory and interrupts get through, its state on a socket of its own too."""
    uri, _ = stage.device("behind", "--state-size", "4M")
    process, through, trace = proxy(stage, uri)
    source = stage.vm("source", devices=[through]).worked()
    destination = stage.destination(device_options=("--state-size", "4M"))
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming))
    source.ask("quit")
    expect(source.process.wait(timeout=20) == 0, "the source failed")
    wait_for("the client to leave", lambda: any(c["name"] == "left" for c in calls_so_far(trace)))
    lines = stop(process, trace)
    reads = [c for c in lines if c["name"] == "MIG_DATA_READ"]
    expect(reads and all(c["device"] == "client1/socket1" for c in reads), "device state was not on its own socket")
    expect(sum(c["result"] for c in reads if c["result"] > 0) >= 4 << 20, "less device state than there is")
    expect(any(c["arguments"].get("fds") for c in named(lines, "DMA_MAP")), "guest memory without a descriptor")
    dirty = named(lines, "DEVICE_FEATURE", feature="DMA_LOGGING_REPORT", operation="GET")
    expect(dirty and all("dirty_pages" in c["answers"] for c in dirty), "no dirty pages")


def case_proxy_strangers(stage):
    """What is no message goes through unread, and the next client is served."""
    uri, _ = stage.device("dev")
    process, through, trace = proxy(stage, uri)
    for garbage in (b"GET / HTTP/1.1\r\nHost: device\r\n\r\n", b"\x01\x00", b"\0" * 16,
                    bytes((7, 0, 1, 0, 255, 255, 255, 255)) + bytes(8)):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(through.removeprefix("vfio-user:"))
            s.sendall(garbage)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(20)
            while s.recv(4096):
                pass
    done = stage.run("probe", through)
    expect(done.code == 0, f"{done}")
    notes = [c["name"] for c in stop(process, trace) if c["kind"] == "note"]
    expect(notes.count("left") == 5, f"{notes}")
    expect(notes.count("the client sent what is no message: no more of it is decoded") == 2, f"{notes}")


def case_proxy_without_server(stage):
    uri, device = stage.device("dev")
    process, through, trace = proxy(stage, uri)
    device.terminate()
    device.wait(timeout=20)
    done = stage.run("probe", through)
    expect(done.code == 1, f"exit code {done.code}")
    notes = [c["name"] for c in stop(process, trace) if c["kind"] == "note"]
    expect(any("cannot connect to the server" in n for n in notes), f"{notes}")


def case_proxy_unanswered(stage):
    """A server that dies: what it was asked last is told as never answered."""
    path = stage.path("dead.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process, through, trace = proxy(stage, f"vfio-user:{path}")
        client = stage.start("probe", "probe", through)
        near, _ = listener.accept()
        expect(near.recv(16)[2] == 1, "no VERSION")
        near.close()
        expect(client.wait(timeout=20) == 1, "the client found a device")
    lines = stop(process, trace)
    expect([c["error"] for c in named([c for c in lines if c["kind"] != "note"], "VERSION")] == ["EPIPE"], f"{lines}")


def case_full_disk(stage):
    uri, _ = stage.device("dev")
    for option in ("--trace", "--trace-json"):
        done = stage.run("probe", uri, option, "/dev/full")
        expect(done.code == 1, f"{option}: exit code {done.code}")
        expect_sentence(done.err, "no space left")
    done = stage.run("trace", uri, "--listen", stage.path("full.sock"), "--output", "/dev/full")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "no space left")
    done = stage.run("probe", uri, "--trace", stage.path("none") / "trace")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "no such file")


def case_wrong_usage(stage):
    uri, _ = stage.device("dev")
    taken = stage.path("taken")
    taken.write_text("somebody's")
    for words, code, told in (
            (("trace",), 2, "DEVICE"),
            (("trace", uri), 2, "--listen"),
            (("trace", uri, "--listen", "x", "--", "probe"), 2, "--listen"),
            (("trace", "vfio:0000:3b:00.2", "--listen", stage.path("x")), 2, "vfio-user"),
            (("trace", uri, "--", "migrate"), 2, "--trace"),
            (("trace", uri, "--listen", taken), 1, "cannot listen"),
            (("trace", uri, "--listen", "/" + "x" * 200), 1, "cannot listen")):
        done = stage.run(*words)
        expect(done.code == code, f"{words}: exit code {done.code}")
        expect_sentence(done.err, told)
    expect(taken.read_text() == "somebody's" and os.path.isfile(taken), "a file was replaced by a socket")
