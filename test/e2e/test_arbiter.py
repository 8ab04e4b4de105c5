# SPDX-License-Identifier: BSD-3-Clause
"""The arbiter, file:DIR: with it nobody has to decide who has the guest, whatever is lost, as long as it is reached."""

from harness import OWNER_UNKNOWN, ROLLED_BACK, expect, expect_sentence, wait_for
from proxy import Proxy


class Place:
    """A directory that both sides use, and that can be away for a while."""

    def __init__(self, stage):
        self.dir = stage.path("arbiter")
        self.dir.mkdir()
        self.words = ("--arbiter", f"file:{self.dir}")

    def owners(self):
        return [path for path in self.dir.iterdir() if path.suffix == ".owner"]

    def goes(self):
        self.dir.rename(self.dir.with_suffix(".away"))

    def comes_back(self):
        self.dir.with_suffix(".away").rename(self.dir)


def two_sides(stage, place):
    return stage.source(), stage.side("destination", "--incoming", "tcp:127.0.0.1:0", *place.words)


def lose(stage, message, on_cut=None, reconnect="0"):
    """A migration with an arbiter that loses the message; on_cut(destination, place) happens right then."""
    place = Place(stage)
    source, destination = two_sides(stage, place)

    def cut(proxy):
        if on_cut:
            on_cut(destination, place)
        proxy.cut()

    proxy = Proxy(destination.incoming, cut_before=message, on_cut=cut)
    stage.closers.append(proxy.cut)
    done = stage.migrate(source, proxy.uri, "--reconnect", reconnect, *place.words)
    return source, destination, place, done


def away_and_dead(destination, place):
    """The storage first: with the destination the connection goes, and the source asks."""
    place.goes()
    destination.kill()


def expect_here(vm, other=None):
    vm.wait_state("running")
    vm.expect_guest()
    if other:
        other.wait_state("failed", "moved")
        other.expect_no_guest()


def case_undisturbed(stage):
    place = Place(stage)
    source, destination = two_sides(stage, place)
    done = stage.migrate(source, destination.incoming, *place.words)
    stage.expect_moved(source, destination, done)
    handover = done.report["handover"]
    expect(handover["arbiter"] and handover["claimed_by"] == "destination" and handover["committed"], f"{handover}")
    expect(len(place.owners()) == 1, f"{list(place.dir.iterdir())}")


def case_a_relative_directory(stage):
    """It counts from where the command was typed, not from where the VM was started."""
    place = Place(stage)
    source, destination = two_sides(stage, place)
    done = stage.run(*stage.migrate_words(source, destination.incoming, "--arbiter", f"file:{place.dir.name}"),
                     cwd=place.dir.parent)
    stage.expect_moved(source, destination, done)


def case_destination_killed_before_commit(stage):
    """The worst moment: COMMIT is on its way, and nobody can say any more whether it came. Without an arbiter that is
    owner-unknown. With it the source asks, and has its guest back."""
    source, _, place, done = lose(stage, "COMMIT", on_cut=lambda destination, _: destination.kill())
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect(done.report["handover"]["claimed_by"] == "source", f"{done.report['handover']}")
    expect_here(source)
    expect(len(place.owners()) == 1, f"{place.owners()}")


def case_destination_killed_while_reconnecting(stage):
    source, _, _, done = lose(stage, "COMMIT", lambda destination, _: destination.kill(), reconnect="2s")
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect_here(source)


def case_destination_killed_after_it_ran(stage):
    """It had claimed: the guest was there, and died with its host. The source does not bring back one of the past."""
    source, _, _, done = lose(stage, "RUNNING", on_cut=lambda destination, _: destination.kill())
    expect(done.report["outcome"] == "completed", f"outcome {done.report['outcome']}: {done.err}")
    expect(done.report["handover"]["claimed_by"] == "destination", f"{done.report['handover']}")
    expect(done.code == 1 and not done.report["verified"], "verified, and there was nobody to ask")
    expect_sentence(done.err, "not verified")
    source.wait_state("moved")
    source.expect_no_guest()


def one_has_it(stage, message):
    """Both live, and ask: one of them is told that it has the guest, and the other that it has not."""
    source, destination, place, done = lose(stage, message)
    expect(done.code != OWNER_UNKNOWN, f"{done.err}")
    states = {vm.name: vm.wait_state("running", "failed", "moved") for vm in (source, destination)}
    running = [vm for vm in (source, destination) if states[vm.name] == "running"]
    expect(len(running) == 1, f"{states}")
    expect_here(running[0], destination if running[0] is source else source)
    expect(len(place.owners()) == 1, f"{place.owners()}")
    named = done.report["handover"]["claimed_by"]
    expect(named == running[0].name, f"the arbiter named the {named}, and the {running[0].name} runs")


def case_ready_lost(stage):
    one_has_it(stage, "READY")


def case_commit_lost(stage):
    one_has_it(stage, "COMMIT")


def case_running_lost(stage):
    source, destination, _, done = lose(stage, "RUNNING")
    expect(done.report["outcome"] == "completed", f"outcome {done.report['outcome']}: {done.err}")
    expect_here(destination, source)


def case_unreachable_for_a_while(stage):
    """The destination is killed, and the storage is away too: owner-unknown, until the storage is back. Nobody has to do
    anything, and who asks before is told."""
    source, _, place, done = lose(stage, "COMMIT", away_and_dead)
    expect(done.code == OWNER_UNKNOWN, f"exit code {done.code}: {done.err}")
    source.expect_no_guest()
    refused = stage.run("vm", "--control", source.control, "resume")
    expect(refused.code == 2, f"exit code {refused.code}")
    expect_sentence(refused.err, "has not said yet")
    status = stage.run("vm", "--control", source.control, "status").out
    for text in ("owner-unknown", "asks it every few seconds", f"--control {source.control} resume --other-side-stopped"):
        expect(text in status, f'no "{text}" in:\n{status}')
    events = source.watch()
    place.comes_back()
    expect_here(source)
    report = list(events)[-1]["report"]
    expect(report["outcome"] == "rolled-back", f"{report['outcome']}")
    expect(report["handover"]["claimed_by"] == "source", f"{report['handover']}")
    refused = stage.run("vm", "--control", source.control, "discard", "--other-side-stopped")
    expect(refused.code == 1, f"exit code {refused.code}")
    expect_sentence(refused.err, "the arbiter named the source")


def case_unreachable_for_good(stage):
    """Then a person decides, by oath."""
    source, _, _, done = lose(stage, "COMMIT", away_and_dead)
    expect(done.code == OWNER_UNKNOWN, f"exit code {done.code}: {done.err}")
    done = stage.run("vm", "--control", source.control, "resume", "--other-side-stopped")
    expect(done.code == 0 and "running" in done.out, f"exit code {done.code}: {done.out}{done.err}")
    expect_here(source)


def case_an_oath_does_not_beat_an_answer(stage):
    """The destination has claimed and runs; a user at the source swears that it does not. The arbiter knows better."""
    source, destination, place, done = lose(stage, "RUNNING", on_cut=lambda _, place: place.goes())
    expect(done.code == OWNER_UNKNOWN, f"exit code {done.code}: {done.err}")
    place.comes_back()
    refused = stage.run("vm", "--control", source.control, "resume", "--other-side-stopped")
    expect(refused.code == 1, f"exit code {refused.code}: {refused.out}")
    expect_sentence(refused.err, "destination has the guest", "named the destination")
    expect_here(destination, source)


def case_a_destination_that_cannot_say_it_gave_up(stage):
    """The source is dead and the storage is away. What may be the last copy is not thrown away unrecorded; and when the
    storage is back it runs."""
    place = Place(stage)
    source, destination = two_sides(stage, place)

    def cut(proxy):
        place.goes()
        source.kill()
        proxy.cut()

    proxy = Proxy(destination.incoming, cut_before="COMMIT", on_cut=cut)
    stage.closers.append(proxy.cut)
    stage.migrate(source, proxy.uri, "--reconnect", "0", *place.words)
    destination.wait_state("owner-unknown")
    refused = stage.run("vm", "--control", destination.control, "discard", "--other-side-stopped")
    expect(refused.code == 1, f"exit code {refused.code}: {refused.out}")
    expect_sentence(refused.err, "held on")
    expect(destination.state == "owner-unknown", f"the destination is {destination.state}")
    done = stage.run("vm", "--control", destination.control, "resume", "--other-side-stopped")
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect_here(destination)


def refused(stage, source, destination, *words):
    done = stage.migrate(source, destination.incoming, *words)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    expect([blocker["code"] for blocker in done.report["blockers"]] == ["arbiter"], f"{done.report['blockers']}")
    expect_sentence(done.err, "arbiter", "announce")
    source.expect_guest()
    expect(destination.state == "incoming", f"the destination is {destination.state}")
    return done


def case_on_one_side_only(stage):
    place = Place(stage)
    source, with_one = two_sides(stage, place)
    without = stage.destination("without")
    refused(stage, source, with_one)
    refused(stage, source, without, *place.words)
    stage.expect_moved(source, with_one, stage.migrate(source, with_one.incoming, *place.words))


def case_two_places(stage):
    """Each side asks a directory of its own: that would decide nothing."""
    place = Place(stage)
    source, destination = two_sides(stage, place)
    other = stage.path("elsewhere")
    other.mkdir()
    refused(stage, source, destination, "--arbiter", f"file:{other}")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming, *place.words))


def case_not_there(stage):
    place = Place(stage)
    source, destination = two_sides(stage, place)
    refused(stage, source, destination, "--arbiter", f"file:{stage.path('nowhere')}")
    done = stage.migrate(source, destination.incoming, "--arbiter", "oracle:delphi")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "oracle")
    source.expect_guest()


def case_a_destination_without_its_directory(stage):
    done = stage.run("vm", "--memory", "16M", "--incoming", "tcp:127.0.0.1:0", "--arbiter", f"file:{stage.path('none')}")
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "none")


def case_advice_without_an_arbiter(stage):
    """Exactly what to type, with this VM's own socket in it."""
    source, destination = stage.source(), stage.destination()
    proxy = Proxy(destination.incoming, cut_before="COMMIT")
    stage.closers.append(proxy.cut)
    done = stage.run("migrate", "--control", source.control, "--reconnect", "0", proxy.uri)
    expect(done.code == OWNER_UNKNOWN, f"exit code {done.code}: {done.err}")
    expect("every few seconds" not in done.out, "an arbiter out of nowhere")
    for word in ("discard", "resume"):
        command = f"godwit vm --control {source.control} {word} --other-side-stopped"
        expect(command in done.out, f"no {command} in:\n{done.out}")
    destination.wait_state("owner-unknown")
    status = stage.run("vm", "--control", destination.control, "status").out
    expect("paused at the destination" in status, status)


def case_of_the_demo(stage):
    place = Place(stage)
    done = stage.run("demo", "--cpu", "thread", "--memory", "64M", "--state-size", "1M", "--json", *place.words)
    expect(done.code == 0, f"exit code {done.code}: {done.err}")
    expect(done.report["handover"]["claimed_by"] == "destination", f"{done.report['handover']}")
    wait_for("its claim", place.owners, 1)
