# SPDX-License-Identifier: BSD-3-Clause
"""Processes of a measurement: started in a directory of their own, waited for with a deadline, ended in any case."""

import contextlib
import pathlib
import select
import subprocess
import tempfile
import time

START_S = 60
MIGRATE_S = 120
ASK_EVERY_S = 0.005


class Failed(Exception):
    """A measurement could not be made; the text says why."""


def wait_until(what, condition, seconds=START_S):
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(ASK_EVERY_S)
    return answer


class Processes(contextlib.ExitStack):
    """Context: a directory, and what was started in it."""

    def __init__(self):
        super().__init__()
        self.dir = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="godwit-bench-")))

    def start(self, *words, fds=()):
        process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, pass_fds=fds)
        self.callback(end, process)
        return process

    def first_line(self, process):
        if not select.select([process.stdout], [], [], START_S)[0]:
            raise Failed(f"{process.args[0]} {process.args[1]} said nothing for {START_S} s")
        line = process.stdout.readline().strip()
        if not line:
            raise Failed(f"{' '.join(process.args[:2])} ended: {process.stderr.read().strip()}")
        return line


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
