# SPDX-License-Identifier: BSD-3-Clause
"""Reports of devices, and the verdict over two of them, which has to be that of a migration's dry run."""

import copy
import json
import os
import pathlib
import re

from harness import expect, expect_sentence

ANSWER_IS_NO = 5
SMALL = ("--state-size", "1M")

# Devices of A, devices of B, what only a report knows (a migration would not tell it beforehand).
PAIRS = [
    ([()], [()], set()),
    ([()], [("--no-p2p",)], set()),
    ([("--no-p2p",)], [()], set()),
    ([()], [("--no-precopy",)], set()),
    ([("--no-migration",)], [()], set()),
    ([()], [("--no-migration",)], set()),
    ([("--no-extension",)], [()], set()),
    ([()], [("--no-dma-log",)], set()),
    ([(), ("--no-p2p",)], [(), ()], set()),
    ([("--no-migration",), ("--no-p2p",)], [()], set()),
    ([()], [(), ()], set()),
    ([("--state-size", "2M")], [()], {("region-differs", "dev0")}),
]


def write(stage, name, document):
    path = stage.path(name)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def report(stage, uris, *words):
    done = stage.run("report", *words, *uris)
    expect(done.code == 0 and not done.err, f"exit code {done.code}: {done.err}")
    return done.report


def devices(stage, name, kinds):
    return [stage.device(f"{name}-dev{i}", *SMALL, *options)[0] for i, options in enumerate(kinds)]


def compare(stage, a, b, *words):
    """The verdict; the exit code has to say the same, and so has the text for people."""
    done = stage.run("compare", "--json", *words, a, b)
    expect(done.code in (0, ANSWER_IS_NO) and not done.err, f"exit code {done.code}: {done.err}")
    answer = done.report
    can = answer["a_to_b"]["can_move"] and ("--both" not in words or answer["b_to_a"]["can_move"])
    expect((done.code == 0) == can, f"exit code {done.code}: {answer}")
    for way in ("a_to_b", "b_to_a"):
        expect(answer[way]["can_move"] == (not answer[way]["blockers"]), f"{answer[way]}")
    people = stage.run("compare", *words, a, b)
    expect(people.code == done.code, f"exit code {people.code} for people, {done.code} for programs")
    for reason in answer["a_to_b"]["blockers"] + answer["a_to_b"]["warnings"]:
        expect(f"[{reason['code']}]" in people.out and reason["what"] in people.out, f"{reason} not in:\n{people.out}")
    return answer


def codes(reasons):
    return {(reason["code"], reason["where"]) for reason in reasons}


def the_dry_run_says(stage, name, uris_a, uris_b):
    source = stage.vm(f"{name}-source", devices=uris_a)
    destination = stage.vm(f"{name}-destination", "--incoming", "tcp:127.0.0.1:0", devices=uris_b)
    done = stage.migrate(source, destination.incoming, "--dry-run")
    for vm in (source, destination):
        vm.ask("quit", force=True)
        vm.process.wait()
    return codes(done.report["blockers"])


def case_agrees_with_the_dry_run(stage):
    for i, (kinds_a, kinds_b, only_here) in enumerate(PAIRS):
        uris_a, uris_b = devices(stage, f"{i}a", kinds_a), devices(stage, f"{i}b", kinds_b)
        a = write(stage, f"{i}a.json", report(stage, uris_a))
        b = write(stage, f"{i}b.json", report(stage, uris_b))
        answer = compare(stage, a, b)
        for way, source, destination in (("a_to_b", uris_a, uris_b), ("b_to_a", uris_b, uris_a)):
            said = the_dry_run_says(stage, f"{i}{way}", source, destination)
            found = codes(answer[way]["blockers"])
            expect(found - only_here == said, f"{kinds_a}, {kinds_b}, {way}: {found}, but the dry run: {said}")
            expect(only_here <= found, f"{kinds_a}, {kinds_b}, {way}: {only_here} not in {found}")


case_agrees_with_the_dry_run.seconds = 180


def edited(base, edit):
    document = copy.deepcopy(base)
    edit(document, document["devices"][0])
    return document


def pci(key, value):
    return lambda document, device: device["pci"].update({key: value})


def device_key(key, value):
    return lambda document, device: device.update({key: value})


def sysfs(key, value):
    return lambda document, device: device["sysfs"].update({key: value})


def host(key, value):
    return lambda document, device: document["host"].update({key: value})


# How B is changed, what that makes: a blocker of the library's, of the report's, or a warning.
CHANGES = [
    (pci("device", 2), "blockers", "device-differs"),
    (pci("subsystem_vendor", 0x15b3), "blockers", "device-differs"),
    (pci("class", 0x020000), "blockers", "device-differs"),
    (device_key("id", "nic0"), "blockers", "device-missing"),
    (device_key("migration_flags", ["STOP_COPY"]), "blockers", "device-capability"),
    (device_key("migration_flags", []), "blockers", "device-capability"),
    (lambda document, device: document["devices"].append(dict(device, id="dev0")), "blockers", "duplicate-id"),
    (lambda document, device: device["regions"][0].update(size_bytes=8192), "blockers", "region-differs"),
    (lambda document, device: device["regions"].pop(), "blockers", "region-differs"),
    (lambda document, device: device["irqs"][0].update(count=77), "blockers", "interrupts-differ"),
    (sysfs("mdev_type", "mtty-1"), "blockers", "mdev-type-differs"),
    (host("machine", "riscv64"), "blockers", "machine-differs"),
    (pci("revision", 9), "warnings", "revision-differs"),
    (lambda document, device: device["regions"].append({"index": 6, "size_bytes": 4096}), "warnings", "rom-differs"),
    (device_key("driver", "other_vfio_pci"), "warnings", "driver-differs"),
    (sysfs("module", {"name": "m", "version": "2"}), "warnings", "driver-version-differs"),
    (sysfs("module", {"name": "m", "source": "B"}), "warnings", "driver-version-differs"),
    (sysfs("firmware", [{"of": "device", "file": "fw_ver", "text": "28.40"}]), "warnings", "firmware-differs"),
    (sysfs("firmware", []), "warnings", "firmware-unknown"),
    (device_key("dirty_source", "type1"), "warnings", "dirty-source-weaker"),
    (device_key("features", ["reset", "pci"]), "warnings", "feature-missing"),
    (device_key("backend", "kernel cdev"), "warnings", "backend-differs"),
    (sysfs("iommu", {"unit": "ivhd0", "kind": "amd"}), "warnings", "iommu-differs"),
    (device_key("dma_page_sizes_bytes", [65536]), "warnings", "dma-pages-larger"),
    (device_key("max_dma_maps", 7), "warnings", "dma-maps-fewer"),
    (host("kernel", "0.0.1"), "warnings", "kernel-differs"),
    (host("page_size_bytes", 65536), "warnings", "host-page-differs"),
]

# What B only warns of is told of a source by itself.
OF_THE_SOURCE = [
    (device_key("dirty_source", "none"), "dirty-untracked"),
    (device_key("features", ["stop-size"]), "precopy-info-missing"),
    (device_key("features", ["precopy-info"]), "stop-size-missing"),
]


def full_report(stage):
    """One of a vfio-user device, with what only a kernel device would have put in."""
    base = report(stage, devices(stage, "base", [()]))
    base["devices"][0].update(driver="some_vfio_pci", sysfs={
        "module": {"name": "m", "version": "1", "source": "A"}, "mdev_type": "mtty-2",
        "firmware": [{"of": "device", "file": "fw_ver", "text": "28.39"}], "iommu": {"unit": "dmar0", "kind": "intel"}})
    return base


def case_tells_a_changed_device_from_an_equal_one(stage):
    base = full_report(stage)
    a = write(stage, "a.json", base)
    same = compare(stage, a, write(stage, "same.json", base), "--both")
    for way in ("a_to_b", "b_to_a"):
        expect(same[way] == {"can_move": True, "blockers": [], "warnings": []}, f"{same[way]}")
    for i, (edit, kind, code) in enumerate(CHANGES):
        answer = compare(stage, a, write(stage, f"b{i}.json", edited(base, edit)))["a_to_b"]
        expect(code in {reason["code"] for reason in answer[kind]}, f"no {code} among the {kind} of {answer}")
        expect(kind == "blockers" or answer["can_move"], f"{code} is a warning, and it cannot move: {answer}")
        others = {reason["code"] for reason in answer["warnings"]} - {code}
        expect(kind == "blockers" or not others, f"{code}, and warnings besides: {others}")
    for i, (edit, code) in enumerate(OF_THE_SOURCE):
        answer = compare(stage, write(stage, f"s{i}.json", edited(base, edit)), a)["a_to_b"]
        expect(code in {reason["code"] for reason in answer["warnings"]}, f"no {code} in {answer}")


def case_every_code_is_documented(stage):
    """doc/json.md has each code that compare adds to the library's, and no other."""
    top = pathlib.Path(__file__).resolve().parents[2]
    source = (top / "tool/host/host_compare.c").read_text()
    made = set(re.findall(r'(?:block|warn)\(pair, "([a-z0-9-]+)"', source))
    made |= set(re.findall(r'add\(verdict, "(?:blockers|warnings)", "([a-z0-9-]+)"', source))
    section = (top / "doc/json.md").read_text().split("\n## Two hosts compared")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.M))
    tried = {code for _, _, code in CHANGES} | {code for _, code in OF_THE_SOURCE}
    expect(made and made == told, f"only documented: {told - made}; not documented: {made - told}")
    expect(made <= tried, f"never tried: {made - tried}")


def case_ids_and_pairs(stage):
    uris = devices(stage, "pool", [("--no-precopy",), ()])
    a = write(stage, "a.json", report(stage, [f"nic={uris[1]}"]))
    b = write(stage, "b.json", report(stage, uris))
    expect([device["id"] for device in json.loads(b.read_text())["devices"]] == ["dev0", "dev1"], b.read_text())
    expect(codes(compare(stage, a, b)["a_to_b"]["blockers"]) == {("device-missing", "nic"), ("device-extra", "dev0"),
                                                                 ("device-extra", "dev1")}, "ids that do not meet")
    answer = compare(stage, a, b, "--pair", "nic=dev1")
    expect(answer["a_to_b"]["can_move"], f"{answer}")
    expect(answer["b"]["devices"] == [{"id": "dev1", "compared_as": "nic", "uri": uris[1]}], f"{answer['b']}")
    answer = compare(stage, a, b, "--pair", "nic=dev0")
    expect(codes(answer["a_to_b"]["blockers"]) == {("device-capability", "nic")}, f"{answer}")
    expect(answer["b_to_a"]["can_move"], f"{answer}")
    compare(stage, b, a, "--pair", "dev0=nic", "--both")
    for pair, told in (("nic=dev2", "dev2"), ("x=dev0", '"x"'), ("nic", "ID=ID"), ("=dev0", "ID=ID"), ("nic=", "ID=ID")):
        done = stage.run("compare", "--pair", pair, a, b)
        expect(done.code == 1 and not done.out, f"{pair}: exit code {done.code}: {done.out}")
        expect_sentence(done.err, told)
    for word, told in ((f"={uris[0]}", "id"), (f"{'x' * 64}={uris[0]}", "id"), ("a=floppy:b", "floppy")):
        done = stage.run("report", word)
        expect(done.code == 1 and not done.out, f"{word}: exit code {done.code}: {done.out}")
        expect_sentence(done.err, told)
    done = stage.run("report", f"a={uris[0]}", f"a={uris[1]}")
    expect(done.code == 1 and not done.out, f"exit code {done.code}: {done.out}")
    expect_sentence(done.err, "already")


def case_p2p_may_be_allowed(stage):
    uris = devices(stage, "two", [("--no-p2p",), ()])
    a = write(stage, "a.json", report(stage, uris))
    expect(codes(compare(stage, a, a)["a_to_b"]["blockers"]) == {("no-p2p", "dev0")}, "no blocker")
    expect(compare(stage, a, a, "--allow-no-p2p")["a_to_b"]["can_move"], "it was allowed")


def case_report_asks_only(stage):
    uris = devices(stage, "dev", [()])
    plain = report(stage, uris)["devices"][0]
    expect("precopy" not in plain and plain["state"] == "RUNNING" and plain["stop_size_bytes"] > 1 << 20, f"{plain}")
    entered = report(stage, uris, "--enter-precopy")["devices"][0]
    expect(entered["precopy"]["initial_bytes"] > 0 and entered["state"] == "RUNNING", f"{entered}")
    del entered["precopy"]
    expect(entered == plain, f"{entered} is not {plain}")
    probe = stage.run("probe", "--json", uris[0]).report
    expect({key: plain[key] for key in probe} == probe, "probe and report differ")
    lesser = devices(stage, "lesser", [("--no-precopy",), ("--no-extension",), ("--no-migration",)])
    for device in report(stage, lesser, "--enter-precopy")["devices"]:
        expect("precopy" not in device, f"{device}")


def case_report_traces(stage):
    uris = devices(stage, "dev", [(), ()])
    traces = [stage.path("trace.txt"), stage.path("trace.json")]
    traced = report(stage, uris, "--trace", traces[0], "--trace-json", traces[1])
    expect([device["id"] for device in traced["devices"]] == ["dev0", "dev1"], f"{traced}")
    calls = [json.loads(line) for line in traces[1].read_text().splitlines()]
    for uri in ("dev0", "dev1"):
        expect(any(uri in json.dumps(call) for call in calls), f"nothing of {uri} in {traces[1].read_text()[:500]}")
    expect("VERSION" in traces[0].read_text(), traces[0].read_text()[:500])
    done = stage.run("report", "--trace", "/nonexistent/trace", uris[0])
    expect(done.code == 1 and not done.out, f"exit code {done.code}: {done.out}")
    expect_sentence(done.err, "/nonexistent/trace")


def case_files_that_are_no_reports(stage):
    uris = devices(stage, "dev", [()])
    base = report(stage, uris)
    good = write(stage, "good.json", base)
    bad = [
        ("", "no JSON"), ("{", "no JSON"), ("[]", "no report"), ("{}", "no report"), ("null", "no JSON"),
        (json.dumps(base)[:-20], "no JSON"), (dict(base, report=2), "format 2"), (dict(base, report="1"), "no report"),
        (dict(base, devices={}), "no report"), (dict(base, devices=[{}]), "without an id"),
        (dict(base, devices=["dev0"]), "without an id"), (dict(base, devices=[{"id": "x" * 64}]), "without an id"),
        (dict(base, devices=[{"id": "dev0"}]), "can migrate"), (dict(base, host=[]), "no report"),
        (dict(base, devices=[dict(base["devices"][0], id=f"d{i}") for i in range(33)]), "more than 32"),
        ("[" * 100000, "no JSON"),
    ]
    for document, told in bad:
        path = write(stage, "bad.json", document)
        for words in ((path, good), (good, path)):
            done = stage.run("compare", *words)
            expect(done.code == 1 and not done.out, f"{told}: exit code {done.code}: {done.out}")
            expect_sentence(done.err, told)
    done = stage.run("compare", good, stage.path("none.json"))
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "no such file")
    for words in ((), (good,), (good, good, good)):
        expect(stage.run("compare", *words).code == 2, f"{words}")
    expect(stage.run("report").code == 2, "a report of nothing")


def case_values_that_are_no_values(stage):
    """Any type in any place: a verdict all the same, no crash."""
    base = full_report(stage)
    good = write(stage, "good.json", base)
    odd = [None, True, -1, 1e300, 2**63 - 1, "", "x" * 5000, "é" * 300, [], [[]], [None, 1, "a"], {}, {"a": 1}]
    for key in base["devices"][0]:
        for value in odd:
            if key == "id" or (key == "migration_flags" and not isinstance(value, list)):
                continue
            document = edited(base, device_key(key, value))
            done = stage.run("compare", "--json", good, write(stage, "odd.json", document))
            expect(done.code in (0, ANSWER_IS_NO), f"{key}: {value!r}: exit code {done.code}: {done.err}")
            answer = done.report
            expect(answer["a_to_b"]["can_move"] == (done.code == 0), f"{key}: {value!r}: {answer}")


def case_texts_do_not_reach_the_terminal_raw(stage):
    base = full_report(stage)
    text = "a\x1b[2J\x9b2J\x7f\rb\u00e9"
    document = edited(base, device_key("uri", text))
    document["host"].update(name=text, kernel=text)
    document["devices"][0]["driver"] = text
    bad = write(stage, "bad.json", document)
    for words in ((), ("--json",)):
        done = stage.run("compare", *words, bad, write(stage, "good.json", base))
        said = json.dumps(done.report, ensure_ascii=False) if words else done.out
        expect(done.code == 0 and "a?[2J??2J??b\u00e9" in said, f"exit code {done.code}: {said!r}")
        expect(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.out), f"{done.out!r}")


def case_from_a_pipe(stage):
    uris = devices(stage, "dev", [()])
    good = write(stage, "good.json", report(stage, uris))
    read, written = os.pipe()
    os.write(written, good.read_bytes())
    os.close(written)
    with os.fdopen(read) as pipe:
        done = stage.run_program("sh", "-c", f"exec '{stage.settings.godwit}' compare '{good}' - <&{pipe.fileno()}",
                                 pass_fds=[pipe.fileno()])
    expect(done.code == 0 and "can move" in done.out, f"exit code {done.code}: {done.out}{done.err}")
