# SPDX-License-Identifier: BSD-3-Clause
"""godwit save and load: a device's state in a file and through a pipe, and everything that can go wrong with either."""

import json
import os
import random
import resource
import signal
import subprocess

from harness import Skip, expect, expect_sentence, wait_for
from vfio_user import read_memory, write_memory

STATE = 1 << 20
LARGE = 4 * STATE  # read and written in more than one piece, each of them slow where a rate is set


class Bench:
    """Devices, by their URIs, and what is in their memories."""

    def __init__(self, stage):
        self.stage = stage
        self.random = random.Random(stage.settings.seed)
        self.controls = {}

    def device(self, name, *words, size=STATE):
        """One with memory of its own making, and a control socket for faults."""
        control = self.stage.path(f"{name}.control")
        uri, _ = self.stage.device(name, "--state-size", size, "--control", control, *words)
        self.controls[uri] = control
        memory = self.random.randbytes(size)
        write_memory(uri, memory)
        return uri, memory

    def fault(self, uri, *specs):
        done = self.stage.run("device", "--control", self.controls[uri], *(("fault", *specs) if specs else ("clear",)))
        expect(done.code == 0, f"fault {specs}: {done.err}")

    def state(self, uri):
        done = self.stage.run("device", "--control", self.controls[uri], "status", "--json")
        expect(done.code == 0, f"status: {done.err}")
        return json.loads(done.out)["state"]

    def save(self, uri, path, *words, code=0, **more):
        done = self.stage.run("save", "--json", *words, uri, path, **more)
        expect(done.code == code, f"save: exit code {done.code}: {done.err}")
        return done

    def load(self, uri, path, *words, code=0, **more):
        done = self.stage.run("load", "--json", *words, uri, path, **more)
        expect(done.code == code, f"load: exit code {done.code}: {done.err}")
        return done

    def expect_untouched(self, uri, memory):
        expect(read_memory(uri, len(memory)) == memory, "the device has another memory than before")


def expect_no_file(path):
    left = [entry.name for entry in path.parent.glob(path.name + "*")]
    expect(not left, f"{left} should not be there")


def case_round_trip(stage):
    """Plain and with pre-copy, into another device and back: the same memory, the same state digest."""
    bench = Bench(stage)
    source, memory = bench.device("a", "--serial", 7)
    other, before = bench.device("b", "--serial", 8)
    first = None
    for words in ((), ("--precopy",)):
        path = stage.path("state.gwi")
        write_memory(other, before)
        report = bench.save(source, path, *words).report
        expect(report["state"] == "RUNNING" and report["whole"] and "error" not in report, f"{report}")
        totals = report["totals"]
        expect(bool(words) == (totals["precopy_bytes"] > STATE // 2), f"{totals}")
        expect(totals["precopy_bytes"] + totals["stop_copy_bytes"] >= STATE, f"{totals}")
        expect(totals["file_bytes"] == path.stat().st_size, f"{totals}")
        expect(report["stopped_ms"] > 0 and totals["stopped_ms"] == report["stopped_ms"], f"{report}")
        expect(report["transitions"][0]["to"] == ("PRE_COPY" if words else "RUNNING_P2P"), f"{report}")
        expect(report["head"]["expected_bytes"] >= STATE, f"{report['head']}")
        expect(path.stat().st_mode & 0o077 == 0, "others can read the state")
        bench.expect_untouched(source, memory)

        report = bench.load(other, path).report
        expect(report["state"] == "RUNNING" and report["totals"] == totals, f"{report}")
        bench.expect_untouched(other, memory)
        again = bench.save(other, path).report["totals"]["state_digest"]
        first = first or totals["state_digest"]
        expect(again == first, "a device that was loaded saves another state")


def case_view(stage):
    """What a person sees, and that a second save replaces the first."""
    bench = Bench(stage)
    uri, _ = bench.device("a")
    path = stage.path("state.gwi")
    path.write_text("something else")
    done = stage.run("save", uri, path)
    expect(done.code == 0 and f"saved {uri} to {path}" in done.out, f"{done}")
    expect("the device was stopped for" in done.out and "RUNNING" in done.out, f"{done}")
    done = stage.run("load", uri, path)
    expect(done.code == 0 and f"loaded {uri} from {path}" in done.out and not done.err, f"{done}")
    expect([p.name for p in path.parent.glob("state.gwi*")] == ["state.gwi"], "something is left beside the file")


def case_links(stage):
    """A link keeps pointing to what it points to, and so does /dev/stdout."""
    bench = Bench(stage)
    uri, _ = bench.device("a")
    path, link, out = stage.path("state.gwi"), stage.path("link.gwi"), stage.path("out.gwi")
    path.write_text("an older one")
    link.symlink_to(path)
    bench.save(uri, link)
    expect(link.is_symlink() and not path.is_symlink(), "the link was replaced")
    with open(out, "wb") as stdout:
        done = stage.start("save", "save", uri, "/dev/stdout", stdout=stdout)
        expect(done.wait(timeout=30) == 0, "save to /dev/stdout failed")
    for image in (path, out):
        bench.load(uri, image)
    with open(out, "wb") as stdout:
        done = stage.start("save", "save", uri, "-", stdout=stdout)
        expect(done.wait(timeout=30) == 0, "save to stdout failed")
    bench.load(uri, out)


def case_named_pipe(stage):
    bench = Bench(stage)
    source, memory = bench.device("a")
    other, _ = bench.device("b")
    fifo = stage.path("fifo")
    os.mkfifo(fifo)
    process = start_slow(stage, "load", other, fifo)
    bench.save(source, fifo)
    done = stage.finish(process)
    expect(done.code == 0, f"{done}")
    bench.expect_untouched(other, memory)
    expect([p.name for p in fifo.parent.glob("fifo*")] == ["fifo"] and fifo.is_fifo(), "the pipe was replaced")


def pipe_line(stage, source, other, between=("cat",), save_words=()):
    """save | between | load, all three to their ends."""
    godwit = str(stage.settings.godwit)
    save = subprocess.Popen([godwit, "save", "--json", *save_words, source, "-"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=False)
    middle = subprocess.Popen(between, stdin=save.stdout, stdout=subprocess.PIPE)
    load = subprocess.Popen([godwit, "load", "--json", other, "-"], stdin=middle.stdout, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    save.stdout.close()
    middle.stdout.close()
    stage.processes += [save, middle, load]
    loaded = stage.finish(load)
    _, said = save.communicate(timeout=30)
    return save.returncode, said.decode(), loaded


def case_pipe(stage):
    bench = Bench(stage)
    source, memory = bench.device("a", "--serial", 7)
    other, _ = bench.device("b")
    code, said, loaded = pipe_line(stage, source, other)
    expect(code == 0 and loaded.code == 0, f"{code} {said} {loaded}")
    expect(json.loads(said)["totals"] == loaded.report["totals"], f"{said} {loaded}")
    bench.expect_untouched(other, memory)
    bench.expect_untouched(source, memory)


def case_slow_pipe(stage):
    """One that takes a few KiB at a time: the device's next bytes wait for it, nothing else does."""
    slow = ("python3", "-c", "import os, time\n"
            "while data := os.read(0, 16384):\n"
            "    time.sleep(0.002)\n"
            "    while data: data = data[os.write(1, data[:4096]):]\n")
    bench = Bench(stage)
    source, memory = bench.device("a", "--serial", 7)
    other, _ = bench.device("b")
    code, said, loaded = pipe_line(stage, source, other, between=slow, save_words=("--precopy",))
    expect(code == 0 and loaded.code == 0, f"{code} {said} {loaded}")
    bench.expect_untouched(other, memory)


def case_pipe_that_breaks(stage):
    """The reader goes, or the writer: the one is back in RUNNING, the other was not touched."""
    bench = Bench(stage)
    source, memory = bench.device("a")
    other, before = bench.device("b")
    code, said, loaded = pipe_line(stage, source, other, between=("head", "-c", "300000"))
    expect(code == 1, f"exit code {code}")
    expect("pipe" in said.lower() and "back in RUNNING" in said, said)
    expect(loaded.code == 1, f"{loaded}")
    expect_sentence(loaded.err, "cut short")
    bench.expect_untouched(other, before)
    expect(bench.state(source) == "RUNNING", "the source does not run")
    bench.expect_untouched(source, memory)


def case_one_flipped_bit(stage):
    """At many places: refused, and nothing was said to the device but questions."""
    bench = Bench(stage)
    source, _ = bench.device("a")
    other, before = bench.device("b")
    path, bad = stage.path("state.gwi"), stage.path("bad.gwi")
    bench.save(source, path, "--precopy")
    whole = path.read_bytes()
    places = [0, 5, 6, 9, 13, 17, 25, 40, 100, len(whole) - 1, len(whole) - 60]
    places += [bench.random.randrange(len(whole)) for _ in range(20)]
    for at in places:
        data = bytearray(whole)
        data[at] ^= 1 << bench.random.randrange(8)
        bad.write_bytes(data)
        trace = stage.path("trace")
        done = bench.load(other, bad, "--trace", trace, code=1)
        expect_sentence(done.err, "bad.gwi")
        expect(not done.report["touched"] and not done.report["whole"], f"byte {at}: {done.report}")
        said = trace.read_text()
        expect("operation=GET" in said and "operation=SET," not in said and "DEVICE_RESET" not in said
               and "MIG_DATA" not in said.replace("MIG_DATA_SIZE", ""), f"byte {at}: the device was touched: {said}")
    bench.expect_untouched(other, before)
    bench.load(other, path)


def case_truncated(stage):
    bench = Bench(stage)
    source, _ = bench.device("a")
    other, before = bench.device("b")
    path, bad = stage.path("state.gwi"), stage.path("bad.gwi")
    bench.save(source, path)
    whole = path.read_bytes()
    lengths = [0, 1, 31, 32, 100, len(whole) - 1, len(whole) - 80, len(whole) - 81]
    lengths += [bench.random.randrange(len(whole)) for _ in range(10)]
    for length in lengths:
        bad.write_bytes(whole[:length])
        done = bench.load(other, bad, code=1)
        expect_sentence(done.err, "cut short", "nothing in it", "no godwit image")
        expect(not done.report["whole"] and not done.report["touched"], f"{done.report}")
    bad.write_bytes(whole + b"\n")
    expect_sentence(bench.load(other, bad, code=1).err, "after its end")
    bench.expect_untouched(other, before)


def case_foreign(stage):
    """Another memory size is another model; another serial number is not."""
    bench = Bench(stage)
    source, memory = bench.device("a", "--serial", 7)
    twin, _ = bench.device("twin", "--serial", 8)
    large, before = bench.device("large", size=2 * STATE)
    path = stage.path("state.gwi")
    bench.save(source, path)
    bench.load(twin, path)
    bench.expect_untouched(twin, memory)
    done = bench.load(large, path, code=1)
    expect_sentence(done.err, "BAR 2")
    expect(not done.report["touched"], f"{done.report}")
    bench.expect_untouched(large, before)
    done = bench.load(large, path, "--force", code=1)  # this device knows better
    expect_sentence(done.err, "the device was reset", "it was reset")
    expect(done.report["state"] == "RUNNING" and bench.state(large) == "RUNNING", f"{done}")


def case_precopy_and_a_device_without(stage):
    bench = Bench(stage)
    source, memory = bench.device("a")
    plain, before = bench.device("plain", "--no-precopy")
    path = stage.path("state.gwi")
    expect_sentence(bench.save(plain, path, "--precopy", code=1).err, "no PRE_COPY")
    expect_no_file(path)
    bench.save(source, path, "--precopy")
    expect_sentence(bench.load(plain, path, code=1).err, "pre-copy data")
    bench.expect_untouched(plain, before)
    bench.load(plain, path, "--force")
    bench.expect_untouched(plain, memory)


def case_plain_vfio_user(stage):
    """A server with nothing of godwit's: no sizes, no data socket."""
    bench = Bench(stage)
    source, memory = bench.device("a", "--no-extension")
    other, _ = bench.device("b", "--no-extension")
    path = stage.path("state.gwi")
    for words in ((), ("--precopy",)):
        report = bench.save(source, path, *words).report
        expect("expected_bytes" not in report["head"], f"{report['head']}")
        bench.load(other, path)
        bench.expect_untouched(other, memory)


def case_full_disk(stage):
    """A device that takes nothing, a limit on a file's size, and a disk that is too small from the start."""
    bench = Bench(stage)
    uri, memory = bench.device("a")
    path = stage.path("state.gwi")
    expect_sentence(bench.save(uri, "/dev/full", code=1).err, "no space left")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))

    for words in ((), ("--precopy",)):
        done = bench.save(uri, path, *words, code=1, preexec_fn=limit)
        expect_sentence(done.err, "too large")
        expect("back in RUNNING" in done.err and done.report["state"] == "RUNNING", f"{done}")
        expect_no_file(path)
        expect(bench.state(uri) == "RUNNING", "the device does not run")
    bench.expect_untouched(uri, memory)
    bench.save(uri, path)


def case_full_spool(stage):
    """What comes by a pipe has no place to wait."""
    bench = Bench(stage)
    source, _ = bench.device("a")
    other, before = bench.device("b")
    path = stage.path("state.gwi")
    bench.save(source, path)
    for env, words, told in (({"TMPDIR": "/nonexistent"}, (), "/nonexistent"), ({}, ("--max-size", "100K"), "102400")):
        with open(path, "rb") as image:
            process = subprocess.Popen([str(stage.settings.godwit), "load", "--json", *words, other, "-"], stdin=image,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            done = stage.finish(process)
        expect(done.code == 0, f"a file as stdin needs no place: {done}")
        write_memory(other, before)
        with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
            process = subprocess.Popen([str(stage.settings.godwit), "load", "--json", *words, other, "-"],
                                       stdin=cat.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       env={**os.environ, **env})
            cat.stdout.close()
            done = stage.finish(process)
        expect(done.code == 1, f"{done}")
        expect_sentence(done.err, told)
        bench.expect_untouched(other, before)


def case_small_disk(stage):
    """A tmpfs of 512 KiB: known before the device is stopped."""
    place = stage.path("small")
    place.mkdir()
    done = stage.run_program("mount", "-t", "tmpfs", "-o", "size=512k", "none", place)
    if done.code:
        raise Skip("may not mount a tmpfs")
    stage.closers.append(lambda: subprocess.run(["umount", str(place)], check=False))
    bench = Bench(stage)
    uri, _ = bench.device("a")
    done = bench.save(uri, place / "state.gwi", code=1)
    expect_sentence(done.err, "room for")
    expect(not done.report["touched"], f"{done.report}")
    expect(not list(place.iterdir()), "something is left on the small disk")
    # Where the device does not tell its size it is found out on the way.
    plain, memory = bench.device("plain", "--no-extension")
    done = bench.save(plain, place / "state.gwi", code=1)
    expect_sentence(done.err, "no space left")
    expect(not list(place.iterdir()), "something is left on the small disk")
    bench.expect_untouched(plain, memory)
    # And what comes by a pipe does not fit there either.
    path = stage.path("state.gwi")
    bench.save(uri, path)
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        process = subprocess.Popen([str(stage.settings.godwit), "load", "--json", plain, "-"], stdin=cat.stdout,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "TMPDIR": str(place)})
        cat.stdout.close()
        done = stage.finish(process)
    expect(done.code == 1 and not done.report["touched"], f"{done}")
    expect_sentence(done.err, "no space left")
    expect(str(place) in done.err, f"where? {done.err}")


def case_help(stage):
    for command in ("save", "load"):
        done = stage.run(command, "--help")
        expect(done.code == 0 and "usage: godwit" in done.out and "Example:" in done.out, f"{done}")


def case_wrong_arguments(stage):
    bench = Bench(stage)
    uri, memory = bench.device("a")
    path = stage.path("state.gwi")
    for words in (("save",), ("load",), ("save", uri), ("load", uri), ("save", uri, path, "more"),
                  ("save", "--rounds", "0", uri, path), ("load", "--max-size", "64MB", uri, path)):
        done = stage.run(*words)
        expect(done.code == 2, f"{words}: exit code {done.code}")
        expect_sentence(done.err)
    for words, told in ((("save", "vfio-user:/nonexistent", path), "/nonexistent"),
                        (("save", uri, "/nonexistent/state.gwi"), "/nonexistent/state.gwi"),
                        (("save", uri, stage.dir), "directory"),
                        (("load", uri, "/nonexistent"), "/nonexistent"),
                        (("load", uri, stage.dir), "directory"),
                        (("load", uri, stage.settings.godwit), "no godwit image"),
                        (("load", uri, "/dev/null"), "nothing in it")):
        done = stage.run(*words)
        expect(done.code == 1, f"{words}: exit code {done.code}")
        expect_sentence(done.err, told)
    expect_no_file(path)
    bench.expect_untouched(uri, memory)


def case_terminal(stage):
    """Binary neither goes to a terminal nor comes from one."""
    bench = Bench(stage)
    uri, _ = bench.device("a")
    near, far = os.openpty()
    try:
        for command, stream in (("save", "stdout"), ("load", "stdin")):
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, stream: far}
            process = subprocess.Popen([str(stage.settings.godwit), command, uri, "-"], stderr=subprocess.PIPE,
                                       text=True, **pipes)
            done = stage.finish(process)
            expect(done.code == 1, f"{command}: {done}")
            expect_sentence(done.err, "terminal")
    finally:
        os.close(near)
        os.close(far)


def start_slow(stage, *words):
    return stage.start("slow", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def grown(path, size):
    part = path.with_name(path.name + ".part")
    return lambda: part.exists() and part.stat().st_size >= size


def case_save_stopped_by_signal(stage):
    """In pre-copy and in stop-copy: back to RUNNING, nothing left, exit code 1."""
    bench = Bench(stage)
    uri, memory = bench.device("a", "--read-rate", "4M", size=LARGE)
    path = stage.path("state.gwi")
    path.write_text("an older one")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for words in ((), ("--precopy",)):
            process = start_slow(stage, "save", *words, uri, path)
            wait_for("the save to begin", grown(path, 1000))
            process.send_signal(number)
            done = stage.finish(process)
            expect(done.code == 1, f"{done}")
            expect_sentence(done.err, "back in RUNNING")
            expect(bench.state(uri) == "RUNNING", "the device does not run")
            expect([p.name for p in path.parent.glob("state.gwi*")] == ["state.gwi"], "something was left")
            expect(path.read_text() == "an older one", "the older file is gone")
    bench.expect_untouched(uri, memory)


def case_save_stopped_while_a_pipe_waits(stage):
    """Nobody reads: the save sleeps in its write, and can be ended all the same."""
    bench = Bench(stage)
    uri, memory = bench.device("a")
    process = start_slow(stage, "save", uri, "-")
    wait_for("the save to stop the device", lambda: bench.state(uri) == "STOP_COPY")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)
    said = process.stderr.read()
    expect(process.returncode == 1, f"exit code {process.returncode}: {said}")
    expect_sentence(said, "back in RUNNING")
    expect(bench.state(uri) == "RUNNING", "the device does not run")
    bench.expect_untouched(uri, memory)


def case_save_stopped_while_a_pipe_trickles(stage):
    """A block would take 5 s: it is not waited for."""
    trickle = ("import os, sys, time\n"
               "while os.read(0, 4096):\n"
               "    time.sleep(0.02)\n"
               "    open(sys.argv[1], 'a').close()\n")
    bench = Bench(stage)
    uri, _ = bench.device("a")
    mark = stage.path("read")
    reader = subprocess.Popen(["python3", "-c", trickle, str(mark)], stdin=subprocess.PIPE)
    stage.processes.append(reader)
    process = stage.start("save", "save", uri, "-", stdout=reader.stdin, stderr=subprocess.PIPE, text=True)
    reader.stdin.close()
    wait_for("the pipe to trickle", mark.exists)
    expect(bench.state(uri) == "STOP_COPY", "the device is not stopped")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=3)
    expect_sentence(process.stderr.read(), "back in RUNNING")
    expect(bench.state(uri) == "RUNNING", "the device does not run")


def case_load_stopped_by_signal(stage):
    """Before it touches the device, while it waits for a pipe; and while it loads: reset."""
    bench = Bench(stage)
    source, _ = bench.device("a", size=LARGE)
    other, before = bench.device("b", "--load-rate", "4M", size=LARGE)
    path = stage.path("state.gwi")
    bench.save(source, path)
    read, write = os.pipe()
    process = subprocess.Popen([str(stage.settings.godwit), "load", other, "-"], stdin=read, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    stage.processes.append(process)
    os.close(read)
    os.write(write, path.read_bytes()[:3 * STATE])
    wait_for("the load to read", lambda: spooled(process, 2 * STATE))
    process.send_signal(signal.SIGINT)
    done = stage.finish(process)
    os.close(write)
    expect(done.code == 1, f"{done}")
    expect_sentence(done.err, "stopped")
    bench.expect_untouched(other, before)

    process = start_slow(stage, "load", other, path)
    wait_for("the load to begin", lambda: bench.state(other) == "RESUMING")
    process.send_signal(signal.SIGTERM)
    done = stage.finish(process)
    expect(done.code == 1, f"{done}")
    expect_sentence(done.err, "the device was reset")
    expect(bench.state(other) == "RUNNING", "the device does not run")


def spooled(process, size):
    """Whether a file that has no name any more has grown to that in this process."""
    for fd in os.scandir(f"/proc/{process.pid}/fd"):
        try:
            if "(deleted)" in os.readlink(fd.path) and os.stat(fd.path).st_size >= size:
                return True
        except FileNotFoundError:
            pass
    return False


def case_killed(stage):
    """kill -9 of a save or a load at any time: the next command finds the device usable."""
    bench = Bench(stage)
    uri, memory = bench.device("a", "--read-rate", "4M", "--load-rate", "4M", size=LARGE)
    image, path = stage.path("good.gwi"), stage.path("state.gwi")
    bench.save(uri, image)
    for words in (("save",), ("save", "--precopy")):
        process = start_slow(stage, *words, uri, path)
        wait_for("the save to begin", grown(path, 1000))
        process.kill()
        process.wait()
        expect(not path.exists(), "a killed save has left an image")
        done = stage.run("probe", "--json", uri)
        expect(done.code == 0 and done.report["state"] == "RUNNING", f"{done}")
        bench.expect_untouched(uri, memory)
    bench.save(uri, path)  # over what they left
    expect([p.name for p in path.parent.glob("state.gwi*")] == ["state.gwi"], "something was left")

    process = start_slow(stage, "load", uri, image)
    wait_for("the load to begin", lambda: bench.state(uri) == "RESUMING")
    process.kill()
    process.wait()
    done = bench.load(uri, image)
    expect(done.report["state"] == "RUNNING", f"{done}")
    bench.expect_untouched(uri, memory)


def case_two_saves_to_one_file(stage):
    bench = Bench(stage)
    slow, _ = bench.device("a", "--read-rate", "4M", size=LARGE)
    uri, _ = bench.device("b")
    path = stage.path("state.gwi")
    process = start_slow(stage, "save", slow, path)
    wait_for("the save to begin", grown(path, 1000))
    done = stage.run("save", uri, path)
    expect(done.code == 1, f"{done}")
    expect_sentence(done.err, "another save")
    done = stage.finish(process)
    expect(done.code == 0, f"{done}")
    bench.load(slow, path)


def case_faults_of_a_save(stage):
    """The device fails at every place of a save, once: the sentence, the state after it, the file."""
    bench = Bench(stage)
    uri, memory = bench.device("a")
    path = stage.path("state.gwi")
    for words, spec in (((), "read:STOP_COPY=EIO,at=200000"), ((), "arc:STOP:STOP_COPY=EIO"),
                        ((), "arc:RUNNING:RUNNING_P2P=EBUSY"), (("--precopy",), "read:PRE_COPY=EIO,at=200000"),
                        (("--precopy",), "precopy:PRE_COPY=EIO"), (("--precopy",), "arc:RUNNING:PRE_COPY=EIO")):
        bench.fault(uri, spec + ",times=1")
        done = bench.save(uri, path, *words, code=1)
        expect_sentence(done.err, "RUNNING")
        expect(done.report["state"] == "RUNNING" and bench.state(uri) == "RUNNING", f"{spec}: {done}")
        expect("error" in done.report and not done.report["whole"], f"{spec}: {done.report}")
        expect_no_file(path)
        bench.expect_untouched(uri, memory)
        bench.fault(uri)
    # All was read, and then the device does not come back: the image is kept, since there may be nothing else.
    bench.fault(uri, "arc:STOP:RUNNING_P2P=EIO")
    done = bench.save(uri, path, code=1)
    expect_sentence(done.err, "saved whole")
    expect(done.report["whole"] and done.report["state"] != "RUNNING", f"{done.report}")
    bench.fault(uri)
    bench.load(uri, path)
    bench.expect_untouched(uri, memory)


def case_faults_of_a_load(stage):
    """Refused early, refused late, lost on the way: reset, and said."""
    bench = Bench(stage)
    source, memory = bench.device("a")
    path = stage.path("state.gwi")
    bench.save(source, path)
    for spec in ("write=EIO,at=300000", "write=EINVAL", "load=EINVAL", "arc:RESUMING:STOP=EIO",
                 "arc:RESUMING:STOP=error", "arc:STOP:RESUMING=EIO"):
        bench.fault(source, spec + ",times=1")
        done = bench.load(source, path, code=1)
        expect_sentence(done.err, "was reset")
        expect(done.report["state"] == "RUNNING" and bench.state(source) == "RUNNING", f"{spec}: {done}")
        bench.fault(source)
        bench.load(source, path)
        bench.expect_untouched(source, memory)


def case_device_that_dies(stage):
    bench = Bench(stage)
    uri, _ = bench.device("a")
    path = stage.path("state.gwi")
    bench.fault(uri, "read:STOP_COPY=die,at=200000")
    done = bench.save(uri, path, code=1)
    expect_sentence(done.err, "connection", "server", "answer")
    expect_no_file(path)


for slow_case in (case_save_stopped_by_signal, case_killed):
    slow_case.seconds = 120
