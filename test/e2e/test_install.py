# SPDX-License-Identifier: BSD-3-Clause
"""What "meson install" leaves, seen by someone who has nothing else: the files, the symbols, the headers, and examples/
built by pkg-config and run. And doc/embedding.md, whose code is that of the examples."""

import atexit
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from harness import Failed, Skip, expect, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "doc/embedding.md"
STRICT = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror")
NR_PAGES = 2048
STAYED = 1


class Installed:
    """A build directory installed below a directory of its own, as a package would be."""

    def __init__(self, build):
        options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
        self.options = {option["name"]: option["value"] for option in options}
        self.build = build
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="godwit-install-"))
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        done = subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--destdir", str(self.root)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"meson install: {done.stdout[-1000:]}{done.stderr}")
        self.prefix = self.root / self.options["prefix"].lstrip("/")
        self.lib = self.prefix / self.options["libdir"]
        self.include = self.prefix / self.options["includedir"]

    @property
    def env(self):
        return {**os.environ, "PKG_CONFIG_PATH": str(self.lib / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(self.root),
                "LD_LIBRARY_PATH": str(self.lib)}

    @property
    def shared(self):
        if not (self.lib / "libgodwit.so").exists():
            raise Skip("no shared library is installed (default_library=static)")
        return self.lib / "libgodwit.so"


@functools.lru_cache(maxsize=1)
def install(build):
    return Installed(build)


def installed(stage):
    if not shutil.which("meson"):
        raise Skip("there is no meson")
    return install(stage.settings.godwit.parent)


def compilers(*names):
    found = [name for name in names if shutil.which(name)]
    expect(found, f"none of {names} is here")
    return found


def good(done, what):
    expect(done.code == 0, f"{what}: exit code {done.code}: {done.out[-1000:]}{done.err[-3000:]}")
    return done.out


def build_examples(stage, here, compiler, makefile=EXAMPLES / "Makefile", **variables):
    """examples/Makefile, in a directory of its own; returns that."""
    if here.options.get("b_sanitize", "none") != "none":
        raise Skip("a library with a sanitizer does not go with programs without")
    place = stage.path(f"build-{compiler}{len(list(stage.dir.iterdir()))}")
    place.mkdir()
    words = [f"{name}={value}" for name, value in variables.items()]
    good(stage.run_program("make", "-f", makefile, f"CC={compiler}", f"CFLAGS=-O2 -g {' '.join(STRICT)}", *words,
                           cwd=place, env=here.env), f"examples by {compiler}")
    return place


class Embed:
    """An embed process; what it says goes to a log that the case reads."""

    def __init__(self, stage, here, program, *words):
        self.log = stage.path(f"embed-{words[0]}-{len(stage.processes)}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(program), *map(str, words)], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=here.env)
        stage.processes.append(self.process)

    def said(self, pattern):
        found = None

        def look():
            nonlocal found
            found = re.search(pattern, self.log.read_text(), re.M)
            expect(found or self.process.poll() is None or re.search(pattern, self.log.read_text(), re.M),
                   f"it ended without saying {pattern!r}: {self.log.read_text()!r}")
            return found

        return wait_for(f"embed to say {pattern!r}", look, 30)

    def ended(self, code):
        wait_for("embed to end", lambda: self.process.poll() is not None, 30)
        expect(self.process.returncode == code, f"exit code {self.process.returncode}, not {code}: {self.log.read_text()!r}")

    def guest_runs(self, since=0):
        """It gets on, and has lost nothing."""
        steps = []

        def look():
            expect(self.process.poll() is None, f"it ended: {self.log.read_text()!r}")
            lines = re.findall(r"is at step (\d+), (\d+) pages lost$", self.log.read_text(), re.M)
            expect(all(lost == "0" for _, lost in lines), f"pages were lost: {lines}")
            steps[:] = [int(step) for step, _ in lines if int(step) > since]
            return len(steps) >= 2

        wait_for("the guest to run", look, 30)
        return steps[-1]


def move(stage, here, place, uri="unix", devices=()):
    """A guest from one process to another; returns both."""
    uri = f"unix:{stage.path(f'embed{len(stage.processes)}.sock')}" if uri == "unix" else uri
    incoming = Embed(stage, here, place / "embed", "incoming", uri, *devices[:1])
    uri = incoming.said(r"waiting at (\S+)$").group(1)
    return Embed(stage, here, place / "embed", "run", uri, *devices[1:]), incoming


def expect_moved(source, incoming):
    source.ended(0)
    source.said(r"downtime \d+\.\d ms, verified$")
    source.said(r"completed: nothing failed$")
    incoming.said(r"completed: nothing failed$")
    incoming.guest_runs(since=NR_PAGES)


def case_files(stage):
    """All that should be there, and nothing else."""
    here = installed(stage)
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text()).group(1)
    expected = {f"include/godwit/{path.name}" for path in (ROOT / "include/godwit").glob("*.h")}
    expected |= {"bin/godwit", f"{here.options['libdir']}/pkgconfig/godwit.pc"}
    if here.options["default_library"] != "static":
        expected |= {f"{here.options['libdir']}/libgodwit.so{end}" for end in ("", ".0", f".{version}")}
    if here.options["default_library"] != "shared":
        expected.add(f"{here.options['libdir']}/libgodwit.a")
    if any((here.build / "man").glob("*.1")):  # scdoc was there
        expected |= {f"{here.options['mandir']}/man1/{path.stem}" for path in (ROOT / "man").glob("*.1.scd")}
    found = {str(path.relative_to(here.prefix)) for path in here.root.rglob("*") if not path.is_dir()}
    expect(found == expected, f"missing {sorted(expected - found)}, unexpected {sorted(found - expected)}")
    if here.options["default_library"] != "static":
        for link in ("libgodwit.so", "libgodwit.so.0"):
            expect((here.lib / link).resolve().name == f"libgodwit.so.{version}", f"{link} leads elsewhere")
        head = good(stage.run_program("readelf", "-d", here.lib / "libgodwit.so"), "readelf")
        expect("[libgodwit.so.0]" in head, f"another soname: {head}")


def case_symbols(stage):
    """The shared library exports what godwit.map lists, each of it, and nothing else."""
    table = good(stage.run_program("nm", "-D", "--defined-only", installed(stage).shared), "nm")
    exported = {line.split()[-1].split("@")[0] for line in table.splitlines() if line.split()[-2] != "A"}
    text = (ROOT / "src/godwit.map").read_text().split("local:")[0]
    listed = set(re.findall(r"^\s+(gw_\w+);", text, re.M))
    expect(exported == listed, f"exported only: {sorted(exported - listed)}, listed only: {sorted(listed - exported)}")


def case_headers(stage):
    """Each is complete by itself, in C and in C++, and they ask for nothing that is not installed."""
    here = installed(stage)
    headers = sorted(path.name for path in (here.include / "godwit").glob("*.h"))
    flags = good(stage.run_program("pkg-config", "--cflags", "godwit", env=here.env), "pkg-config").split()
    for name in headers:
        text = (here.include / "godwit" / name).read_text()
        expect(not re.search(r'#\s*include\s*"', text), f"{name} includes a file of the source tree")
        for other in re.findall(r"#\s*include\s*<godwit/(\S+)>", text):
            expect(other in headers, f"{name} includes <godwit/{other}>, which is not installed")
    languages = [(cc, "c", "c11") for cc in compilers("cc", "gcc", "clang")]
    languages += [(cc, "c++", "c++11") for cc in compilers("c++", "g++", "clang++")]
    for compiler, language, standard in languages:
        for name in headers:
            program = stage.path("alone.c")
            program.write_text(f"#include <godwit/{name}>\n#include <godwit/{name}>\nint alone;\n")
            good(stage.run_program(compiler, f"-x{language}", f"-std={standard}", *STRICT, "-Wpedantic", "-fsyntax-only",
                                   *flags, program), f"{name} by {compiler} as {standard}")


def case_cxx_links(stage):
    here = installed(stage)
    if here.options.get("b_sanitize", "none") != "none":
        raise Skip("a library with a sanitizer does not go with programs without")
    program = stage.path("version.cc")
    program.write_text('#include <cstdio>\n#include <godwit/godwit.h>\nint main() { std::puts(gw_version()); }\n')
    flags = good(stage.run_program("pkg-config", "--cflags", "--libs", "godwit", env=here.env), "pkg-config").split()
    for compiler in compilers("c++", "clang++"):
        good(stage.run_program(compiler, "-o", stage.path("version"), program, *flags), compiler)
        said = good(stage.run_program(stage.path("version"), env=here.env), "version").strip()
        packaged = stage.run_program("pkg-config", "--modversion", "godwit", env=here.env).out.strip()
        expect(said == packaged, f"the library says {said}, pkg-config {packaged}")


def case_paths(stage):
    """Nothing that is installed knows where it was built."""
    here = installed(stage)
    texts = [*(here.include / "godwit").glob("*.h"), here.lib / "pkgconfig/godwit.pc"]
    for path in texts:
        for place in (here.build, ROOT):
            expect(str(place) not in path.read_text(), f"{path.name} names {place}")
    good(stage.run_program("pkg-config", "--validate", "godwit", env=here.env), "pkg-config --validate")


def case_embed(stage):
    """Its guest moves from one process to another, built by each compiler."""
    here = installed(stage)
    expect(len((EXAMPLES / "embed.c").read_text().splitlines()) < 200, "the smallest embedding has 200 lines or more")
    for compiler in compilers("cc", "clang"):
        expect_moved(*move(stage, here, build_examples(stage, here, compiler)))


def case_embed_over_tcp(stage):
    here = installed(stage)
    expect_moved(*move(stage, here, build_examples(stage, here, "cc"), uri="tcp:127.0.0.1:0"))


def case_embed_with_a_device(stage):
    here = installed(stage)
    devices = [stage.device(f"dev{i}", "--state-size", "1M")[0] for i in range(2)]
    expect_moved(*move(stage, here, build_examples(stage, here, "cc"), devices=devices))


def case_embed_that_loses_pages(stage):
    """Without its dirty log it notices, at the destination, and the guest runs on at the source."""
    here = installed(stage)
    text = (EXAMPLES / "embed.c").read_text()
    broken = re.sub(r"return gw_process_log_sync\(.*\);", "return 0;", text)
    expect(broken != text, "embed.c has no gw_process_log_sync to take away")
    place = stage.path("broken")
    place.mkdir()
    (place / "embed.c").write_text(broken)
    for name in ("Makefile", "own_device.c"):
        shutil.copy(EXAMPLES / name, place)
    source, incoming = move(stage, here, build_examples(stage, here, "cc", makefile=place / "Makefile"))
    source.said(r"rolled-back: .* [1-9]\d* pages lost$")
    incoming.ended(STAYED)
    incoming.said(r"rolled-back: .*pages lost$")
    lines = re.findall(r"is at step (\d+)", source.log.read_text())
    source.guest_runs(since=int(lines[-1]))


def case_embed_without_a_destination(stage):
    here = installed(stage)
    place = build_examples(stage, here, "cc")
    source = Embed(stage, here, place / "embed", "run", f"unix:{stage.path('nobody.sock')}")
    source.said(r"rolled-back: nothing listens")
    source.guest_runs(since=NR_PAGES)
    done = stage.run_program(place / "embed", "run", env=here.env)
    expect(done.code == 2 and "usage" in done.err, f"exit code {done.code}: {done.err}")


def case_own_device(stage):
    here = installed(stage)
    expect(len((EXAMPLES / "own_device.c").read_text().splitlines()) < 120, "own_device.c has 120 lines or more")
    state = stage.path("state.gwi")
    out = good(stage.run_program(build_examples(stage, here, "cc") / "own_device", state, env=here.env), "own_device")
    expect(out == "counter1 is RUNNING and holds 42\n", out)
    expect("whole" in good(stage.run("inspect", state), "inspect"), "the file is no whole image")


def case_static(stage):
    here = installed(stage)
    if not (here.lib / "libgodwit.a").exists():
        raise Skip("no static library is installed (default_library=shared)")
    place = build_examples(stage, here, "cc", LDFLAGS="-static", PKG_CONFIG="pkg-config --static")
    head = good(stage.run_program("readelf", "-d", place / "embed"), "readelf")
    expect("NEEDED" not in head, f"embed is not static: {head}")
    expect_moved(*move(stage, here, place))


def case_page_quotes_the_examples(stage):
    """Each block of doc/embedding.md after <!-- FILE --> stands in that file, word for word; "..." leaves out lines."""
    text = PAGE.read_text()
    blocks = re.findall(r"<!-- (\S+) -->\n```c\n(.*?)```", text, re.S)
    expect(len(blocks) >= 10, f"only {len(blocks)} blocks are quoted")
    for name, block in blocks:
        rest = (ROOT / name).read_text()
        for part in re.split(r"^\s*\.\.\.\n", block, flags=re.M):
            _, found, rest = rest.partition(part)
            expect(found, f"{PAGE.name}: this is not in {name}, or not in this order:\n{part}")


def case_page_names_what_there_is(stage):
    """Every gw_ and GW_ word of doc/embedding.md is one of the public headers'."""
    words = set(re.findall(r"\b(?:gw|GW)_[A-Za-z0-9_]+", PAGE.read_text()))
    headers = "\n".join(path.read_text() for path in (ROOT / "include/godwit").glob("*.h"))
    known = set(re.findall(r"\b(?:gw|GW)_[A-Za-z0-9_]+", headers))
    expect(words <= known, f"not in any public header: {sorted(words - known)}")
    expect(words >= {f"gw_{side}_{call}" for side in ("source", "destination") for call in ("new", "start", "wait")},
           "the page lacks the calls that a migration is made of")
