# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end cases stand on: processes of godwit, a directory for their sockets, and waiting for conditions.

A Stage owns everything a case starts. Every wait is for a condition and has a deadline; what goes wrong is
raised as Failed with a sentence.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ASK_EVERY_S = 0.02
ANSWER_S = 30

ROLLED_BACK = 3
OWNER_UNKNOWN = 4


class Failed(Exception):
    """The case failed; the text says what was expected."""


class Skip(Exception):
    """The case cannot run here; the text says why."""


@dataclasses.dataclass
class Settings:
    godwit: pathlib.Path
    kills: int
    p2p_runs: int
    seed: int


@contextlib.contextmanager
def time_limit(seconds):
    def over(*_):
        raise Failed(f"the case took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def expect(truth, what):
    if not truth:
        raise Failed(what)


def wait_for(what, condition, seconds=20):
    """Asks until the condition holds; returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(ASK_EVERY_S)


def expect_sentence(err, *words):
    """stderr is one sentence of godwit's for each thing that failed, and has one of the words."""
    lines = err.strip().splitlines()
    expect(lines and all(line.startswith("godwit: ") for line in lines), f"no clear sentence on stderr: {err!r}")
    expect(not words or any(word.lower() in err.lower() for word in words), f"none of {words} in {err!r}")


@dataclasses.dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def report(self):
        return json.loads(self.out)


class Vm:
    """A "godwit vm" process, asked over its control socket as any program would."""

    def __init__(self, name, process, control):
        self.name, self.process, self.control = name, process, str(control)

    def ask(self, command, **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(ANSWER_S)
            s.connect(self.control)
            s.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def status(self):
        answer = self.ask("status")
        expect(answer.get("ok"), f"{self.name}: status: {answer}")
        return answer

    @property
    def state(self):
        return self.status()["state"]

    @property
    def incoming(self):
        return self.status()["incoming"]

    def is_up(self):
        expect(self.process.poll() is None, f"{self.name} ended with exit code {self.process.returncode}")
        try:
            return self.status()
        except (OSError, ValueError):
            return None

    def wait_state(self, *states, seconds=30):
        what = f"{self.name} to be {' or '.join(states)}"
        return wait_for(what, lambda: self.state in states and self.state, seconds)

    def watch(self):
        """The events of the migration that is on or next, as they come; ends after the report."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(ANSWER_S)
        s.connect(self.control)
        s.sendall(b'{"command":"watch"}\n')
        lines = s.makefile()
        expect(json.loads(lines.readline()).get("ok"), f"{self.name}: watch was refused")
        s.close()  # lines keeps the connection
        return self.events(lines)

    def events(self, lines):
        with lines:
            while True:
                try:
                    line = lines.readline()
                except TimeoutError:
                    raise Failed(f"{self.name}: no event of a migration for {ANSWER_S} s") from None
                if not line:
                    return
                event = json.loads(line)
                yield event
                if event.get("event") == "report":
                    return

    def wait_precopy(self):
        """Of a source: until data is on its way. That the other side is "receiving" says no more than that they talk."""
        expect(any(event.get("phase") == "pre-copy" for event in self.watch()), f"{self.name}: no pre-copy")

    def expect_guest(self):
        """Its guest runs, gets on with its work on RAM and devices, and finds every page and stamp right."""
        before = self.status()
        expect(before["state"] == "running", f"{self.name} is {before['state']}, not running")
        expect(before["guest"]["running"], f"{self.name}: its guest does not run")
        counters = ["pages_written"] + (["operations", "stamps"] if before["devices"] else [])
        for counter in counters:
            wait_for(f"{counter} of {self.name} to advance",
                     lambda: self.status()["guest"][counter] > before["guest"][counter])
        self.expect_clean()

    def expect_clean(self):
        answer = self.ask("check")
        expect(answer.get("ok"), f"{self.name}: check: {answer}")
        guest = answer["guest"]
        expect(guest["errors"] == 0, f"{self.name}: {guest['errors']} errors: {guest.get('first_error')}")
        expect(guest["pages_checked"] > 0, f"{self.name}: nothing was checked")

    def expect_no_guest(self):
        expect(not self.status()["guest"]["running"], f"{self.name}: a guest runs here")

    def worked(self, pages=2000):
        """Waits until the guest has something to lose."""
        wait_for(f"the guest of {self.name} to work", lambda: self.status()["guest"]["pages_written"] >= pages)
        return self

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()


class Stage:
    """The processes and the directory of one case. close() leaves nothing behind."""

    def __init__(self, settings):
        self.settings = settings
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="godwit-e2e-"))
        self.processes = []
        self.closers = []
        self.nr = 0

    def path(self, name):
        return self.dir / name

    def start(self, name, *words, **more):
        """A godwit process in the background; its output goes to NAME.log."""
        self.nr += 1
        with open(self.path(f"{self.nr:02}-{name}.log"), "wb") as log:
            process = subprocess.Popen([str(self.settings.godwit), *map(str, words)], stdin=subprocess.DEVNULL,
                                       stdout=more.pop("stdout", log), stderr=more.pop("stderr", log), **more)
        self.processes.append(process)
        return process

    def run(self, *words, seconds=60, **more):
        """A godwit command, to its end."""
        return self.run_program(self.settings.godwit, *words, seconds=seconds, **more)

    def run_program(self, *words, seconds=60, **more):
        process = subprocess.Popen([*map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, **more)
        self.processes.append(process)
        return self.finish(process, seconds)

    @staticmethod
    def finish(process, seconds=60):
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(process.args[1:])} did not end within {seconds} s") from None
        return Done(process.returncode, out, err)

    def device(self, name, *words):
        """A device server that takes connections; returns its URI and its process."""
        path = self.path(f"{name}.sock")
        process = self.start(name, "device", *words, path)

        def listens():
            expect(process.poll() is None, f"{name} ended with exit code {process.returncode}")
            with socket.socket(socket.AF_UNIX) as s:
                return s.connect_ex(str(path)) == 0

        wait_for(f"{name} to listen", listens)
        return f"vfio-user:{path}", process

    def vm(self, name, *words, devices=(), memory="64M", dirty_rate="50M", cpu="thread"):
        """Threads unless the case says otherwise: a case must not depend on what this machine's KVM can do."""
        control = self.path(f"{name}.control")
        process = self.start(name, "vm", "--control", control, "--memory", memory, "--dirty-rate", dirty_rate,
                             *(f"--device={uri}" for uri in devices), *(("--cpu", cpu) if cpu else ()), *words)
        vm = Vm(name, process, control)
        wait_for(f"{name} to answer", vm.is_up)
        return vm

    def side(self, name, *words, nr_devices=1, device_options=("--state-size", "1M"), **more):
        """A VM with devices of its own."""
        uris = [self.device(f"{name}-dev{i}", "--serial", 1 + i, *device_options)[0] for i in range(nr_devices)]
        return self.vm(name, *words, devices=uris, **more)

    def source(self, name="source", **more):
        return self.side(name, **more).worked()

    def destination(self, name="destination", uri="tcp:127.0.0.1:0", **more):
        return self.side(name, "--incoming", uri, **more)

    def migrate_words(self, vm, uri, *words):
        return ("migrate", "--control", vm.control, "--verify", "--json", *words, uri)

    def migrate(self, vm, uri, *words, seconds=60):
        return self.run(*self.migrate_words(vm, uri, *words), seconds=seconds)

    def migrate_start(self, vm, uri, *words):
        return self.start("migrate", *self.migrate_words(vm, uri, *words), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)

    def expect_moved(self, source, destination, done):
        """A migration that went well, seen from all sides."""
        expect(done.code == 0, f"migrate: exit code {done.code}: {done.err}")
        expect(done.report["outcome"] == "completed", f"outcome {done.report['outcome']}")
        expect(done.report["verified"], "completed, but not verified")
        expect(source.state == "moved", f"the source is {source.state}")
        source.expect_no_guest()
        destination.expect_guest()

    def expect_stayed(self, source, done, *words):
        """A migration that did not go: a sentence, an exit code, and the guest where it was."""
        expect(done.code in (1, ROLLED_BACK), f"migrate: exit code {done.code}: {done.err}")
        expect_sentence(done.err, *words)
        source.expect_guest()

    def output(self):
        texts = []
        for log in sorted(self.dir.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-20:]
            texts += [f"{log.stem}: {line}" for line in lines]
        return "\n".join(texts)

    def end_processes(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.processes.clear()

    def close(self):
        for closer in self.closers:
            closer()
        self.end_processes()
        shutil.rmtree(self.dir, ignore_errors=True)


def as_nobody():
    """What makes a command run without root's power to ignore permissions."""
    if os.geteuid():
        return {}
    return {"user": 65534, "group": 65534, "extra_groups": []}
