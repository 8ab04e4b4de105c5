# SPDX-License-Identifier: BSD-3-Clause
"""godwit inspect: saved states, recorded migrations and QEMU streams, whole and damaged; a state taken out of one."""

import itertools
import struct

import qemu_stream
from harness import expect, expect_sentence, wait_for
from proxy import Proxy
from vfio_user import read_memory, write_memory

DAMAGED = 5
DEVICE = "0000:00:05.0/vfio"
STATE = 1 << 20


def inspect(stage, *files, code=0, **more):
    done = stage.run("inspect", "--json", *files, **more)
    expect(done.code == code, f"inspect: exit code {done.code}: {done.err}")
    return done.report if done.out else done


def expect_damaged(stage, path, content, *words):
    """Told as not whole, with what was in it."""
    path.write_bytes(content)
    done = stage.run("inspect", "--json", path)
    expect(done.code == DAMAGED, f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, *words)
    expect(not done.report["whole"], "it counts as whole")
    return done.report


def save(stage, uri, name, *words):
    path = stage.path(name)
    done = stage.run("save", "--json", *words, uri, path)
    expect(done.code == 0, f"save: {done.err}")
    return path, done.report


def state_of(path):
    """Of an image: pre-copy and stop-copy bytes (src/wire/image.h)."""
    image, at, parts = path.read_bytes(), 0, [b"", b""]
    while at < len(image):
        kind, flags, size = struct.unpack_from("<HII", image, at + 6)
        if kind == 2:
            parts[flags & 1] += image[at + 32:at + 32 + size]
        at += 32 + size
    return parts


def case_saved_state(stage):
    uri, _ = stage.device("dev", "--state-size", STATE)
    path, saved = save(stage, uri, "dev.gwi", "--precopy")
    told = inspect(stage, path)
    expect(told["whole"] and told["files"][0]["kind"] == "image", f"{told}")
    expect(told["image"]["totals"]["state_digest"] == saved["totals"]["state_digest"], "another digest")
    expect(told["image"]["head"] == saved["head"], "another head")
    image = bytearray(path.read_bytes())
    expect_damaged(stage, path, image[:-1], "in the middle of")
    image[len(image) // 2] ^= 1
    told = expect_damaged(stage, path, image, "checksum")
    expect(told["image"]["bad_checksums"] == 1, f"{told}")


class Recorder(Proxy):
    """Keeps what goes from the source to the destination, a file a connection."""

    def __init__(self, stage, target_uri):
        self.stage, self.numbers, self.files, self.open = stage, itertools.count(), [], 0
        super().__init__(target_uri, to_destination=lambda frame: frame)

    def relay(self, come, go, first):
        if not first:
            return super().relay(come, go, first)
        path = self.stage.path(f"record{next(self.numbers)}")
        with self.lock:
            self.files.append(path)
            self.open += 1
        with open(path, "wb") as out:
            try:
                while some := come.recv(1 << 16):
                    out.write(some)
                    go.sendall(some)
            except OSError:
                self.close_pair(come, go)
        with self.lock:
            self.open -= 1

    def ended(self):
        """The control channel first: its HELLO has role 1."""
        wait_for("the channels to end", lambda: self.files and not self.open)
        return sorted(self.files, key=lambda path: path.read_bytes()[32 + 24:32 + 28] != b"\1\0\0\0")


def case_recorded_migration(stage):
    source, destination = stage.source(memory="32M"), stage.destination(memory="32M")
    recorder = Recorder(stage, destination.incoming)
    done = stage.migrate(source, recorder.uri)
    stage.expect_moved(source, destination, done)
    files = recorder.ended()
    told = inspect(stage, *files)
    record, channels = told["record"], told["record"]["channels"]
    expect(told["whole"], f"{told['files']}")
    expect([c["role"] for c in channels] == ["control", "data", "data"], f"{channels}")
    expect(not any(c["bad_checksums"] for c in channels), "checksums do not hold")
    expect(channels[0]["last"] == "COMMIT" and channels[1]["last"] == "END", f"{channels}")
    expect(sum(block["size_bytes"] for block in record["ram"]) == 32 << 20, f"{record['ram']}")
    pages = [block["pages"]["normal"] + block["pages"]["zero"] for block in record["ram"]]
    expect(sum(pages) == record["prepare"]["ram_pages"] and not record["other_pages"], f"{record}")
    expect(sum(c["ram_frames"] for c in channels) == record["prepare"]["ram_frames"], f"{record}")
    device, moved = record["devices"][0], done.report["devices"][0]
    for part in ("precopy_bytes", "stop_copy_bytes"):
        expect(device[part] == moved[part], f"{part}: {device[part]}, and {moved[part]} were moved")

    alone = inspect(stage, files[1])["record"]
    expect(not alone["ram"] and alone["other_pages"], f"without a manifest: {alone['ram']}")
    control = bytearray(files[0].read_bytes())
    control[control.index(b"GDWT\3\0") + 40] ^= 1  # in the manifest
    expect_damaged(stage, files[0], control, "MANIFEST")
    expect_damaged(stage, files[1], files[1].read_bytes()[:-33], "in the middle of frame")


def expect_pages(told, answer):
    """All of RAM, by block, and as many pages of each kind as QEMU says that it sent."""
    ram = told["qemu"]["ram"]
    expect(sum(block["size_bytes"] for block in ram) == told["qemu"]["ram_total_bytes"] == answer["ram"]["total"],
           f"RAM: {ram}, and QEMU: {answer['ram']}")
    expect(any(block["id"] == "pc.ram" and block["size_bytes"] == 64 << 20 for block in ram), f"{ram}")
    normal = sum(block["pages"]["normal"] + block["pages"].get("multifd", 0) for block in ram)
    zero = sum(block["pages"]["zero"] + block["pages"].get("multifd_zero", 0) for block in ram)
    expect(normal == answer["ram"]["normal"], f"{normal} pages, and QEMU sent {answer['ram']['normal']}")
    expect(zero == answer["ram"]["duplicate"], f"{zero} pages of zeroes, and QEMU sent {answer['ram']['duplicate']}")


def case_qemu_stream(stage):
    qemu = qemu_stream.Qemu(stage, "-device", "piix3-usb-uhci")
    path = stage.path("vm.qemu")
    answer = qemu.migrate(f"file:{path}" if qemu.version["major"] > 8 else f"exec:cat >{path}")
    qemu.quit()
    told = inspect(stage, path)
    expect(told["whole"] and told["qemu"]["eof"] and told["qemu"]["description"], f"{told['files']}")
    expect(told["qemu"]["machine"].startswith("pc-i440fx"), told["qemu"]["machine"])
    expect_pages(told, answer)
    sections = {s["name"]: s for s in told["qemu"]["sections"]}
    expect({"ram", "timer", "apic", "0000:00:02.0/uhci"} <= sections.keys(), f"{list(sections)}")
    for one in sections.values():
        expect(one["name"] == "ram" or one["bytes"] == one["described_bytes"], f"{one}")

    piped = inspect_pipe(stage, path)  # there the description comes too late; the footers tell the same
    for one, other in zip(told["qemu"]["sections"], piped["qemu"]["sections"], strict=True):
        expect((one["name"], one["bytes"], one["parts"]) == (other["name"], other["bytes"], other["parts"]),
               f"{one} from a file, {other} from a pipe")
    expect(piped["qemu"]["ram"] == told["qemu"]["ram"], "other RAM from a pipe")

    whole = path.read_bytes()
    at = sections["timer"]["offset"]
    told = expect_damaged(stage, path, whole[:at + 3], "in the middle of")
    expect_pages(told, answer)
    told = expect_damaged(stage, path, whole[:at // 2], "\"ram\"")
    expect(told["qemu"]["ram"], "the blocks are not told")
    done = stage.run("inspect", path)
    expect(done.code == DAMAGED and "pc.ram" in done.out and "not whole" in done.out, f"the view: {done.out}")


def inspect_pipe(stage, path):
    done = stage.run_program("sh", "-c", f"cat {path} | {stage.settings.godwit} inspect --json -")
    expect(done.code == 0, f"from a pipe: exit code {done.code}: {done.err}")
    return done.report


def case_qemu_multifd(stage):
    qemu = qemu_stream.Qemu(stage)
    channels = qemu_stream.Channels(stage)
    qemu.capability("multifd")
    answer = qemu.migrate(f"unix:{channels.path}")
    qemu.quit()
    files = channels.ended()
    told = inspect(stage, *files)
    expect(told["whole"], f"{told['files']}")
    expect_pages(told, answer)
    expect([f["kind"] for f in told["files"]] == ["qemu", "qemu-multifd", "qemu-multifd"], f"{told['files']}")
    expect(any(block["pages"].get("multifd") for block in told["qemu"]["ram"]), "no page came by multifd")
    heads = 64 * len(told["qemu"]["channels"])
    sent = sum(channel["bytes"] for channel in told["qemu"]["channels"])
    expect(sent == answer["ram"]["multifd-bytes"] + heads, f"{sent} bytes in the channels: {answer['ram']}")
    expect_damaged(stage, files[1], files[1].read_bytes()[:-1], "a packet")


class Moved:
    """A device's saved state as QEMU would have written it, and another device that it is to be loaded into."""

    def __init__(self, stage, *words):
        self.stage, self.words = stage, words
        uri, _ = stage.device("from", "--state-size", STATE)
        self.uri, _ = stage.device("to", "--state-size", STATE)
        self.memory = bytes(range(251)) * (STATE // 251) + bytes(STATE % 251)
        write_memory(uri, self.memory)
        path, self.saved = save(stage, uri, "saved.gwi", *words)
        self.precopy, self.stop_copy = state_of(path)
        expect(len(self.stop_copy) > 0, "no state to move")

    def put(self, name, content):
        path = self.stage.path(name)
        path.write_bytes(content)
        return path

    def expect_moves(self, *files):
        """Out of the stream, into the device, and out of that again: the same."""
        out = self.stage.path("out.gwi")
        told = inspect(self.stage, "--extract", DEVICE, "--output", out, *files)
        device = told["qemu"]["devices"][0]
        expect(device["complete"] and device["pci"] == self.saved["head"]["pci"], f"{device}")
        expect(device["initial_marks"] == 1, f"{device}")
        expect(told["extracted"]["totals"]["state_digest"] == self.saved["totals"]["state_digest"], "another state")
        expect(inspect(self.stage, out)["image"]["head"]["id"] == "0000:00:05.0", "another id")
        done = self.stage.run("load", self.uri, out)
        expect(done.code == 0, f"load: exit code {done.code}: {done.err}")
        expect(read_memory(self.uri, STATE) == self.memory, "the device has another memory")
        again, _ = save(self.stage, self.uri, "again.gwi", *self.words)
        expect(state_of(again) == [self.precopy, self.stop_copy], "saved again it is another state")


def case_device_of_qemu_stream(stage):
    moved = Moved(stage, "--precopy")
    config = qemu_stream.pci_state(moved.saved["head"]["pci"])
    stream = qemu_stream.main_channel(DEVICE, moved.precopy, moved.stop_copy, config)
    moved.expect_moves(moved.put("vm.qemu", stream))

    # Of another model, as its PCI state says, no device takes it; cut short it is not extracted.
    other = qemu_stream.pci_state({**moved.saved["head"]["pci"], "device": 0xfff})
    path = moved.put("other.qemu", qemu_stream.main_channel(DEVICE, moved.precopy, moved.stop_copy, other))
    out = stage.path("other.gwi")
    inspect(stage, "--extract", DEVICE, "--output", out, path)
    expect(stage.run("load", moved.uri, out).code == 1, "a device of another model took it")
    out.unlink()
    path = moved.put("cut.qemu", stream[:len(stream) - 400])
    done = stage.run("inspect", "--extract", DEVICE, "--output", out, path)
    expect(done.code == DAMAGED and not out.exists(), f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, "not all there")


def case_device_of_multifd(stage):
    moved = Moved(stage)
    config = qemu_stream.pci_state(moved.saved["head"]["pci"])
    early, late = moved.stop_copy[:STATE // 3], moved.stop_copy[STATE // 3:]
    main = moved.put("vm.qemu", qemu_stream.main_channel(DEVICE, early, b"", b""))
    channels = [moved.put(f"vm.multifd{n}", channel) for n, channel in
                enumerate(qemu_stream.multifd_channels(DEVICE, late, config, 3))]
    moved.expect_moves(main, *channels)
    moved.expect_moves(main, *reversed(channels))

    out = stage.path("none.gwi")
    done = stage.run("inspect", "--extract", DEVICE, "--output", out, main, *channels[:2])
    expect(done.code == DAMAGED and not out.exists(), f"exit code {done.code}: {done.err}")
    done = stage.run("inspect", "--extract", DEVICE, "--output", out, main)
    expect(done.code == DAMAGED and not out.exists(), f"exit code {done.code}: {done.err}")
    expect_sentence(done.err, "multifd")


def case_nothing_to_inspect(stage):
    path = stage.path("text")
    for content in (b"", b"QEV", b"this is a text\n"):
        path.write_bytes(content)
        done = stage.run("inspect", path)
        expect(done.code == 1 and not done.out, f"{content}: exit code {done.code}")
        expect_sentence(done.err, "neither")
    done = stage.run("inspect", stage.path("absent"))
    expect(done.code == 1, f"exit code {done.code}")
    expect_sentence(done.err, "absent")
    expect(stage.run("inspect", stage.dir).code == 1, "a directory")
    for words in ((), ("--extract", "x", path), ("--output", "y", path)):
        done = stage.run("inspect", *words)
        expect(done.code == 2, f"{words}: exit code {done.code}")
        expect_sentence(done.err)


def case_device_that_is_not_there(stage):
    path = stage.path("vm.qemu")
    path.write_bytes(qemu_stream.main_channel(DEVICE, b"", b"state", b""))
    done = stage.run("inspect", "--extract", "0000:00:06.0", "--output", stage.path("out.gwi"), path)
    expect(done.code == 1 and not stage.path("out.gwi").exists(), f"exit code {done.code}")
    expect_sentence(done.err, "no such device")
