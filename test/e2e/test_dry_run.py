# SPDX-License-Identifier: BSD-3-Clause
"""Dry runs: they say what a migration would say, stop nothing, and leave both sides ready for the real one."""

import pathlib
import re

from harness import ROLLED_BACK, expect, expect_sentence

PLAIN = ("--state-size", "1M")


def dry_run(stage, source, destination, *words):
    """A dry run that finds nothing; both sides are then as they were."""
    done = stage.migrate(source, destination.incoming, "--dry-run", *words)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    report = done.report
    expect(report["outcome"] == "rolled-back" and "error" not in report, f"{report}")
    expect(report["blockers"] == [], f"{report['blockers']}")
    expect(not done.err, f"stderr: {done.err}")
    expect("blackout_ms" not in report, f"the guest stood still for {report.get('blackout_ms')} ms")
    for device in report["devices"]:
        stopped = [arc for arc in device["transitions"] if "STOP" in arc["to"] or "P2P" in arc["to"]]
        expect(not stopped, f"{device['id']} was stopped: {stopped}")
    destination.wait_state("incoming")
    destination.expect_no_guest()
    source.expect_guest()
    return report


def two_sides(stage, **more):
    return stage.source(nr_devices=2, **more), stage.destination(nr_devices=2, **more)


def case_compare(stage):
    source, destination = two_sides(stage)
    report = dry_run(stage, source, destination)
    expect(report["handover"]["dry_run"] == "compare", f"{report['handover']}")
    expect(report["predicted_ms"] is None and report["predicted"] is None, "a prediction out of nothing")
    expect(report["ram"]["bytes"] == 0, f"{report['ram']['bytes']} bytes were sent")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming))


def case_rehearse(stage):
    """With pre-copy, which is thrown away, twice; then the real one, to the same destination."""
    source, destination = two_sides(stage)
    for _ in range(2):
        report = dry_run(stage, source, destination, "--precopy")
        expect(report["handover"]["dry_run"] == "precopy", f"{report['handover']}")
        expect(report["predicted_ms"] > 0, f"{report['predicted_ms']}")
        expect(set(report["predicted"]) == {"pause_ms", "quiesce_ms", "sync_ms", "transfer_ms", "load_ms", "commit_ms",
                                            "resume_ms"}, f"{report['predicted']}")
        expect(report["ram"]["bytes"] > 0, "nothing was sent")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming))


def case_with_an_arbiter(stage):
    """It is asked whether it could be used, and nothing is left in it."""
    place = stage.path("arbiter")
    place.mkdir()
    arbiter = ("--arbiter", f"file:{place}")
    source = stage.source()
    destination = stage.side("destination", "--incoming", "tcp:127.0.0.1:0", *arbiter)
    for words in ((), ("--precopy",)):
        dry_run(stage, source, destination, *words, *arbiter)
        expect(not list(place.iterdir()), f"left behind: {list(place.iterdir())}")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming, *arbiter))


def case_for_people(stage):
    source, destination = two_sides(stage)
    for words, told in (((), "without a pre-copy"), (("--precopy",), "transfer")):
        done = stage.run("migrate", "--control", source.control, "--dry-run", *words, destination.incoming)
        expect(done.code == 0, f"exit code {done.code}: {done.err}")
        for text in ("can migrate", "was not stopped", "predicted", told):
            expect(text in done.out, f'no "{text}" in:\n{done.out}')


def case_a_rehearsal_that_does_not_converge(stage):
    source, destination = stage.source(dirty_rate="400M"), stage.destination()
    done = stage.migrate(source, destination.incoming, "--dry-run", "--precopy", "--bandwidth", "32M",
                         "--downtime-limit", "5ms", "--max-rounds", "2")
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, "round")
    source.expect_guest()
    destination.wait_state("incoming")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming, "--downtime-limit", "5s"))


def expect_blockers(stage, source, destination, expected, words):
    """All of them, in JSON, on stderr and for people; the code of a refusal; the guest untouched."""
    done = stage.migrate(source, destination.incoming, *words)
    expect(done.code == ROLLED_BACK, f"{words}: exit code {done.code}: {done.err}")
    found = {(blocker["code"], blocker["where"]) for blocker in done.report["blockers"]}
    expect(found == expected, f"{words}: blockers {found}, expected {expected}")
    expect(all(set(blocker) == {"code", "where", "what"} and blocker["what"] for blocker in done.report["blockers"]),
           f"{done.report['blockers']}")
    expect("blackout_ms" not in done.report, "the guest was paused for it")
    expect_sentence(done.err)
    people = stage.run("migrate", "--control", source.control, *words, destination.incoming)
    expect(people.code == ROLLED_BACK, f"{words}: exit code {people.code}: {people.err}")
    for code, where in expected:
        lines = [line for line in people.out.splitlines() if f"[{code}] {where}" in line]
        expect(len(lines) == 1, f"{len(lines)} lines for {code} of {where} in:\n{people.out}")
    expect("was not stopped" in people.out or "--dry-run" not in words, people.out)
    source.expect_guest()
    expect(destination.state == "incoming", f"the destination is {destination.state}")


def case_all_blockers_of_both_sides_at_once(stage):
    """A vfio-user server without migration among them."""
    uris = [stage.device(f"source-dev{i}", *PLAIN, option)[0]
            for i, option in enumerate(("--no-migration", "--no-p2p"))]
    source = stage.vm("source", devices=uris).worked()
    destination = stage.destination(memory="96M", nr_devices=1)
    expected = {("no-migration", "dev0"), ("no-p2p", "dev1"), ("ram-differs", "ram0"), ("device-missing", "dev1")}
    for words in ((), ("--dry-run",), ("--dry-run", "--precopy")):
        expect_blockers(stage, source, destination, expected, words)


def case_every_code_is_documented(stage):
    """doc/api.md has a row for each code that there is, and none that there is not."""
    top = pathlib.Path(__file__).resolve().parents[2]
    codes = set(re.findall(r'\[REASON_\w+\] = "([a-z0-9-]+)"', (top / "src/model/manifest.c").read_text())) - {"none"}
    section = (top / "doc/api.md").read_text().split("\n## Blockers\n")[1].split("\n## ")[0]
    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.M))
    expect(codes and rows == codes, f"only documented: {rows - codes}; not documented: {codes - rows}")


def case_of_the_demo(stage):
    done = stage.run("demo", "--cpu", "thread", "--memory", "64M", "--state-size", "1M", "--dry-run", "--precopy", "--json")
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect(done.report["predicted_ms"] > 0 and done.report["blockers"] == [], done.out)
