# SPDX-License-Identifier: BSD-3-Clause
"""What "godwit check" says, in all its forms; that its rules are right is proven by test/check/run."""

import json
import re
import signal
import subprocess
import xml.etree.ElementTree

from harness import expect, expect_sentence, wait_for

ANSWER_IS_NO = 5
BROKEN = ("--fault", "set:STOP:STOP_COPY=EIO")  # the arc of this name
BROKEN_RULE = "arc.STOP-STOP_COPY"


def device(stage, *words, name="dev"):
    return stage.device(name, "--state-size", "1M", *words)[0]


def tap_of(out):
    """[(ok, number, name, directive)] of TAP without subtests; what does not belong there is a failure."""
    lines = out.splitlines()
    expect(lines[0] == "TAP version 14", f"the first line is {lines[0]!r}")
    plan = re.fullmatch(r"1\.\.(\d+)", lines[1])
    expect(plan, f"no plan in the second line, {lines[1]!r}")
    points = []
    for line in lines[2:]:
        point = re.fullmatch(r"(ok|not ok) (\d+) (\S+)(?: # (SKIP|TODO) (.+))?", line)
        expect(point or line.startswith("# "), f"no line of TAP: {line!r}")
        if point:
            points.append((point[1] == "ok", int(point[2]), point[3], point[4]))
    expect([number for _, number, _, _ in points] == list(range(1, int(plan[1]) + 1)), "not numbered from 1 to the plan")
    return points


def totals_of(out):
    last = out.splitlines()[-1]
    totals = re.fullmatch(r"# (\d+) passed, (\d+) failed, (\d+) known, (\d+) skipped", last)
    expect(totals, f"the last line is {last!r}")
    return [int(n) for n in totals.groups()]


def write_known(stage, text):
    path = stage.path("known.txt")
    path.write_text(text)
    return path


def case_sound_device_passes(stage):
    done = stage.run("check", device(stage))
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    points = tap_of(done.out)
    passed, failed, known, skipped = totals_of(done.out)
    expect(all(ok for ok, _, _, _ in points) and not failed and not known, "a sound device fails")
    expect(passed >= 80, f"only {passed} rules pass")
    expect(skipped == sum(directive == "SKIP" for _, _, _, directive in points), "skipped ones are counted wrong")
    expect(passed + skipped == len(points), "the numbers do not add up")
    expect(done.err == "", f"something on stderr: {done.err!r}")


def case_broken_rule_is_explained(stage):
    done = stage.run("check", device(stage, *BROKEN))
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    failed = [name for ok, _, name, _ in tap_of(done.out) if not ok]
    expect(failed == [BROKEN_RULE], f"broken: {failed}")
    expect(totals_of(done.out)[1] == 1, "counted wrong")
    after = done.out[done.out.index(f"{BROKEN_RULE}\n"):].splitlines()[1:6]
    expect([line.split(":")[0] for line in after] == ["# rule", "# source", "# did", "# came", "# due"],
           f"not explained: {after}")
    expect(after[2:] == ["# did: SET STOP_COPY in STOP", "# came: EIO", "# due: success"], f"explained by {after[2:]}")
    expect('"' in after[1] and "linux/vfio.h" in after[1], f"no sentence in {after[1]}")


def case_json_says_the_same(stage):
    done = stage.run("check", "--json", device(stage, *BROKEN))
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    one = done.report["devices"][0]
    expect(one["device"]["backend"] == "vfio-user" and one["device"]["uri"].startswith("vfio-user:"), "not this device")
    rules = {rule["name"]: rule for rule in one["rules"]}
    broken = rules[BROKEN_RULE]
    expect(broken["verdict"] == "failed" and broken["came"] == "EIO" and broken["due"] == "success", f"{broken}")
    expect(broken["did"] and broken["text"] and broken["source"], f"not explained: {broken}")
    expect(all("ms" in rule for rule in rules.values()), "a rule without its time")
    skipped = [rule for rule in rules.values() if rule["verdict"] == "skipped"]
    expect(skipped and all(rule["reason"] for rule in skipped), "skipped without a reason")
    for totals in (one["totals"], done.report["totals"]):
        counted = [totals[key] for key in ("passed", "failed", "known", "passes_now", "skipped", "not_tried")]
        expect(sum(counted) == len(rules) and totals["failed"] == 1, f"counted wrong: {totals}")


def case_junit_is_xml(stage):
    path = stage.path("check.xml")
    known = write_known(stage, f"{BROKEN_RULE}  # <it> & \"that\"\n")
    for words, failures in (((), 1), (("--known", known), 0)):
        done = stage.run("check", "--junit", path, *words, device(stage, *BROKEN, name=f"dev{failures}"))
        expect(len(tap_of(done.out)) > 80, "no TAP beside it")
        root = xml.etree.ElementTree.parse(path).getroot()
        suite = root.find("testsuite")
        cases = suite.findall("testcase")
        expect(root.tag == "testsuites" and len(cases) == int(suite.get("tests")), "not the tests that it says")
        broken = [case.get("name") for case in cases if case.find("failure") is not None]
        expect(len(broken) == failures == int(suite.get("failures")), f"failures: {broken}")
        expect(int(suite.get("skipped")) == len(suite.findall("testcase/skipped")), "skipped ones are counted wrong")
        case = suite.find(f"testcase[@name='{BROKEN_RULE}']")
        expect(case.get("classname") == "arc", f"classname {case.get('classname')}")
        if failures:
            expect("came: EIO" in case.find("failure").text, "the failure is not explained")
        else:
            expect(case.find("skipped").get("message") == "known: <it> & \"that\"", "the reason is another")


def case_junit_that_cannot_be_written(stage):
    done = stage.run("check", "--only", "state.*", "--junit", stage.path("no/such/check.xml"), device(stage))
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "cannot be written")


def case_known_failure_is_no_news(stage):
    known = write_known(stage, f"# of this driver\n\n{BROKEN_RULE}  # issue 12: \"#\" may come again\n")
    done = stage.run("check", "--known", known, device(stage, *BROKEN))
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect([name for ok, _, name, todo in tap_of(done.out) if not ok and todo == "TODO"] == [BROKEN_RULE], "not TODO")
    expect(f"{BROKEN_RULE} # TODO known: issue 12: \"#\" may come again\n" in done.out, "the reason is not told")
    expect(totals_of(done.out)[1:3] == [0, 1], "counted wrong")


def case_known_failure_that_passes_is_news(stage):
    known = write_known(stage, f"{BROKEN_RULE}  # issue 12\n")
    uri = device(stage)
    done = stage.run("check", "--known", known, uri)
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    expect([name for ok, _, name, _ in tap_of(done.out) if not ok] == [BROKEN_RULE], "not told")
    expect(f"# known.{BROKEN_RULE} passes now: issue 12\n" in done.out, "not explained")
    done = stage.run("check", "--known", known, "--json", uri)
    expect(done.code == ANSWER_IS_NO and done.report["totals"]["passes_now"] == 1, "JSON does not say so")


def case_known_file_is_checked(stage):
    uri = device(stage)
    for text, words in (("arc.NO-SUCH  # why", "no rule"), (f"{BROKEN_RULE}\n", "reason"), (f"{BROKEN_RULE} #\n", "reason"),
                        (f"{BROKEN_RULE} # a\n{BROKEN_RULE} # b\n", "twice"), ("x" * 5000, "too long")):
        done = stage.run("check", "--known", write_known(stage, text), uri)
        expect(done.code == 2, f"exit code {done.code} for {text[:40]!r}")
        expect_sentence(done.err, words)
        expect(done.out == "", "something was tried")
    done = stage.run("check", "--known", stage.path("missing"), uri)
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "cannot be read")


def case_only_some(stage):
    uri = device(stage)
    done = stage.run("check", "--only", "reset.from-*", "--only", "same.STOP", uri)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    names = [name for _, _, name, _ in tap_of(done.out)]
    expect(len(names) == 8 and all(name.startswith("reset.from-") or name == "same.STOP" for name in names), f"{names}")
    done = stage.run("check", "--only", "rest.*", uri)
    expect(done.code == 2, f"exit code {done.code}")
    expect_sentence(done.err, "rest.*")


def case_list_needs_no_device(stage):
    done = stage.run("check", "--list", "--json")
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    rules = done.report["rules"]
    names = [rule["name"] for rule in rules]
    expect(len(names) == len(set(names)) >= 80, f"{len(names)} rules")
    expect(all(rule["text"] and rule["source"] for rule in rules), "a rule without its text or its source")
    expect(all(re.fullmatch(r"[a-z]+\.[\w.-]+", name) for name in names), "a name that is none")
    expect({"arc.RUNNING-STOP", "combined.RUNNING-STOP"} <= set(names), "not the rules of every device")
    listed = stage.run("check", "--list").out
    expect([line for line in listed.splitlines() if not line.startswith(" ")] == names, "the text lists others")
    of_device = stage.run("check", "--list", "--only", "arc.*", device(stage, "--no-p2p")).out
    expect("arc.RUNNING-STOP\n" in of_device and "arc.RUNNING-RUNNING_P2P\n" not in of_device,
           "not the rules of this device")


def case_plain_client(stage):
    uri = device(stage)
    with_it, without = (stage.run("check", "--json", *words, uri).report for words in ((), ("--plain",)))
    expect("P2P" in with_it["devices"][0]["device"]["migration_flags"], "no extension to do without")
    expect("P2P" not in without["devices"][0]["device"]["migration_flags"], "the extension was offered")
    expect(without["totals"]["failed"] == 0, "a plain client finds rules broken")


def case_peer_takes_images(stage):
    uri, peer = device(stage), device(stage, "--fault", "load=EIO", name="peer")
    done = stage.run("check", "--json", "--only", "image.*", "--only", "arc.RESUMING-STOP", uri, peer)
    expect(done.code in (0, ANSWER_IS_NO), f"exit code {done.code}: {done.err}")
    verdicts = {rule["name"]: rule["verdict"] for rule in done.report["devices"][0]["rules"]}
    expect(done.report["devices"][0]["peer"] == peer, "the peer is not told")
    expect(verdicts["arc.RESUMING-STOP"] == "passed", "the device itself has no fault")
    expect(verdicts["image.save-load-save"] != "passed", "the peer was not asked")


def case_several_devices(stage):
    good, bad = device(stage, name="good"), device(stage, *BROKEN, name="bad")
    done = stage.run("check", "--also", bad, good)
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    lines = done.out.splitlines()
    expect(lines[:3] == ["TAP version 14", "1..2", f"# Subtest: {good}"], f"it begins with {lines[:3]}")
    expect(f"ok 1 {good}" in lines and f"not ok 2 {bad}" in lines, "the devices have no line each")
    inner = [line for line in lines if re.match(r"    (not )?ok ", line)]
    expect(sum(line.startswith("    not ok") for line in inner) == 1, "not one rule of one device")
    report = stage.run("check", "--json", "--also", bad, good).report
    expect([one["totals"]["failed"] for one in report["devices"]] == [0, 1], "JSON has other failures")


def case_repeat(stage):
    uri = device(stage, "--fault", "set:STOP:STOP=EIO,after=3,times=1")
    done = stage.run("check", "--json", "--repeat", "5", "--only", "same.*", uri)
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    rules = {rule["name"]: rule for rule in done.report["devices"][0]["rules"]}
    expect(rules["same.STOP"]["verdict"] == "failed", "one failure of five is lost")
    expect((rules["same.STOP"]["runs"], rules["same.STOP"]["failed_runs"]) == (5, 1), f"{rules['same.STOP']}")
    expect(rules["same.RUNNING"]["runs"] == 5, "another was not repeated")


def case_device_that_dies(stage):
    done = stage.run("check", "--json", device(stage, "--fault", "set:STOP:STOP_COPY=die"))
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    rules = done.report["devices"][0]["rules"]
    failed = [index for index, rule in enumerate(rules) if rule["verdict"] == "failed"]
    expect(len(failed) == 1, f"{len(failed)} rules failed")
    after = rules[failed[0] + 1:]
    expect(after and all(rule["reason"] == "the device is gone" for rule in after), "the rest is not skipped as it is due")


def case_device_that_hangs_up(stage):
    done = stage.run("check", "--json", device(stage, "--fault", "set:STOP:STOP=hang-up"))
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    rules = done.report["devices"][0]["rules"]
    expect([rule["name"] for rule in rules if rule["verdict"] == "failed"] == ["same.STOP"], "others failed too")
    expect(rules[-1]["verdict"] != "skipped" or "gone" not in rules[-1]["reason"], "it was not opened again")


def case_device_that_is_stuck(stage):
    done = stage.run("check", "--json", device(stage, "--fault", "reset:RESUMING=ignore"))
    expect(done.code == ANSWER_IS_NO, f"exit code {done.code}: {done.err}")
    rules = done.report["devices"][0]["rules"]
    failed = [rule for rule in rules if rule["verdict"] == "failed"]
    expect(len(failed) == 1 and "RUNNING" in failed[0]["came"], f"failed: {failed}")
    expect("does not come back" in rules[-1]["reason"], "the rest is not skipped as it is due")


def case_device_that_does_not_open(stage):
    done = stage.run("check", f"vfio-user:{stage.path('no.sock')}")
    expect(done.code == 1 and done.out == "", f"exit code {done.code}")
    expect_sentence(done.err, "no.sock")
    done = stage.run("check", device(stage, "--no-migration"))
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "cannot migrate")


def case_wrong_usage(stage):
    for words in ((), ("--repeat", "0", "vfio-user:x"), ("--slow", "never", "vfio-user:x"), ("a", "b", "c")):
        done = stage.run("check", *words)
        expect(done.code == 2, f"exit code {done.code} for {words}")
        expect_sentence(done.err)


def case_slow_rule_is_named(stage):
    done = stage.run("check", "--slow", "100ms", "--only", "same.STOP",
                     device(stage, "--fault", "set:STOP:STOP=stall:1s"))
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, "same.STOP has been under way")


def case_stopped_by_signal(stage):
    uri = device(stage, "--fault", "set:STOP:STOP=stall:1s")
    check = stage.start("check", "check", "--json", "--slow", "100ms", uri, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, text=True)
    line = check.stderr.readline()  # the rule is under way
    expect("same.STOP" in line, f"said: {line!r}")
    check.send_signal(signal.SIGINT)
    done = stage.finish(check)
    expect(done.code == 1, f"exit code {done.code}: {done.err}")
    report = json.loads(done.out)
    expect(report["totals"]["not_tried"] > 0, "everything was tried")
    expect(report["devices"][0]["rules"][-1]["name"] == "same.STOP", "the rule under way was not ended")
    wait_for("the device to be free", lambda: stage.run("probe", "--json", uri).code == 0)
    expect(stage.run("probe", "--json", uri).report["state"] == "RUNNING", "the device is not in RUNNING")
