# SPDX-License-Identifier: BSD-3-Clause
"""doc/driver-ci.md: its blocks are run as they stand, with the reference device for the reader's own."""

import pathlib
import re
import xml.etree.ElementTree

from harness import expect, expect_sentence

PAGE = pathlib.Path(__file__).resolve().parents[2] / "doc/driver-ci.md"
ANSWER_IS_NO = 5


def block(name):
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", PAGE.read_text(), re.S)
    expect(found, f"no block {name} in {PAGE.name}")
    return found.group(1)


def place(stage, *device_options):
    """A directory with godwit and my-device in its bin, as the page takes for granted."""
    bin_dir = stage.path("bin")
    bin_dir.mkdir(exist_ok=True)
    link = bin_dir / "godwit"
    if not link.exists():
        link.symlink_to(stage.settings.godwit)
    program = bin_dir / "my-device"
    program.write_text(f'#!/bin/sh\nexec godwit device --state-size 256K {" ".join(device_options)} "$1"\n')
    program.chmod(0o755)
    work = stage.path("work")
    work.mkdir(exist_ok=True)
    return bin_dir, work


def run(stage, name, *device_options, before="", seconds=120):
    bin_dir, work = place(stage, *device_options)
    return stage.run_program("sh", "-c", f'PATH="{bin_dir}:$PATH"\n{before}\n{block(name)}', cwd=work, seconds=seconds)


def case_vfio_user(stage):
    _, work = place(stage)
    (work / "my-device.known").write_text("# nothing\n")
    done = run(stage, "vfio-user")
    expect(done.code == 0, f"exit code {done.code}: {done.out[-2000:]}{done.err}")
    suites = xml.etree.ElementTree.parse(work / "check.xml").getroot()
    expect(len(list(suites.iter("testcase"))) >= 80, "less than 80 rules in check.xml")
    (work / "bench.json").rename(work / "baseline.json")
    expect((work / "state.gwi").stat().st_size > 256 * 1024, "no state was saved")


case_vfio_user.seconds = 240


def case_vfio_user_that_breaks_a_rule(stage):
    """The job fails, and the failure is in the file for the CI server; --known lets it pass."""
    _, work = place(stage)
    (work / "my-device.known").write_text("")
    fault = ("--fault", "precopy:PRE_COPY=EIO")
    done = run(stage, "vfio-user", *fault)
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.out[-2000:]}{done.err}")
    suites = xml.etree.ElementTree.parse(work / "check.xml").getroot()
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    expect(failed, "no failure in check.xml")
    expect(not (work / "bench.json").exists(), "the job went on after the failure")
    (work / "my-device.known").write_text("".join(f"{name}  # it was asked for\n" for name in failed))
    done = run(stage, "vfio-user", *fault)
    expect("not ok" not in re.sub(r"not ok.*# TODO.*", "", done.out), f"{done.out[-2000:]}")


case_vfio_user_that_breaks_a_rule.seconds = 240


def case_known(stage):
    bin_dir, work = place(stage)
    (work / "known").write_text(block("known"))
    expect(stage.run("check", "--known", work / "known", "--list").code == 0, "the page's known file is refused")
    (work / "known").write_text(block("known") + "no.such-rule  # why\n")
    done = stage.run("check", "--known", work / "known", "--list")
    expect(done.code == 2, f"exit code {done.code}")
    expect_sentence(done.err, "no.such-rule")


def case_release(stage):
    """A state of the last release loads; one that does not ends the job."""
    _, work = place(stage)
    uri, _ = stage.device("dev", "--state-size", "256K")
    (work / "releases").mkdir()
    expect(stage.run("save", uri, work / "releases/1.gwi").code == 0, "nothing was saved")
    (work / "releases/host.json").write_text(stage.run("report", uri).out)
    before = f"set -e; DEVICE={uri}"
    done = run(stage, "release", before=before)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    done = run(stage, "compare", before=before)
    expect(done.code == 0 and "can move" in done.out, f"exit code {done.code}: {done.out}{done.err}")
    state = bytearray((work / "releases/1.gwi").read_bytes())
    state[len(state) // 2] ^= 1
    (work / "releases/2.gwi").write_bytes(state)
    expect(run(stage, "release", before=before).code == 1, "an altered state was loaded")


def case_kernels(stage):
    _, work = place(stage)
    uri, _ = stage.device("dev", "--state-size", "256K")
    first, second = block("kernels").strip().splitlines()
    expect(first.startswith("godwit bench") and second.startswith("godwit bench --diff"), block("kernels"))
    before = f"set -e; DEVICE={uri}\nuname() {{ echo 6.12.117; }}\n{first}\nuname() {{ echo 6.18.3; }}"
    done = run(stage, "kernels", before=before)
    expect(done.code in (0, ANSWER_IS_NO) and done.out, f"exit code {done.code}: {done.err}")
    for release in ("6.12.117", "6.18.3"):
        expect((work / f"bench-{release}.json").exists(), f"no bench-{release}.json")


case_kernels.seconds = 180


def case_the_other_blocks_are_shell(stage):
    for name in ("vfio-user", "kernel", "release", "compare", "kernels"):
        done = stage.run_program("sh", "-n", "-c", block(name))
        expect(done.code == 0, f"{name}: {done.err}")
        expect(len(block(name).splitlines()) <= 12, f"{name}: more than ten lines or so")
