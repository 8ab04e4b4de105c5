# SPDX-License-Identifier: BSD-3-Clause
"""Migrations that must not begin: each is refused with a sentence while the guest runs on, untouched."""

import os
import random
import socket

from harness import ROLLED_BACK, expect
from proxy import Proxy, Server, hello_from_the_future, welcome_from_the_future


def refused(stage, source, uri, *words):
    done = stage.migrate(source, uri)
    stage.expect_stayed(source, done, *words)
    return done


def can_still_take_one(stage, source, destination):
    """A refused attempt does not use the destination up."""
    expect(destination.state == "incoming", f"the destination is {destination.state}")
    stage.expect_moved(source, destination, stage.migrate(source, destination.incoming))


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def case_bad_uri(stage):
    source = stage.source()
    for uri in ("pigeon:coop", "tcp:127.0.0.1", "tcp:127.0.0.1:0x50", "tcp:127.0.0.1:99999", "unix:", ""):
        refused(stage, source, uri)


def case_nobody_listens(stage):
    source = stage.source()
    refused(stage, source, f"tcp:127.0.0.1:{closed_port()}", "nothing listens")
    refused(stage, source, f"unix:{stage.path('none')}", "no such socket")
    refused(stage, source, "tcp:no-such-host.invalid:4444", "no-such-host")


def case_a_peer_that_hangs_up(stage):
    source, server = stage.source(), Server(lambda s: None)
    stage.closers.append(server.close)
    refused(stage, source, server.uri)


def garbage(number):
    return random.Random(number).randbytes(65536)


def case_a_peer_that_speaks_garbage(stage):
    source = stage.source()
    banners = [b"SSH-2.0-OpenSSH_9.2\r\n" * 10, b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10, bytes(65536), garbage(1)]
    for banner in banners:
        server = Server(lambda s, banner=banner: (s.sendall(banner), s.recv(1 << 16)))
        stage.closers.append(server.close)
        refused(stage, source, server.uri)


def case_garbage_comes_to_the_destination(stage):
    """Whoever connects and says nonsense is turned away; the destination goes on waiting."""
    source, destination = stage.source(), stage.destination()
    _, host, port = destination.incoming.split(":")
    for text in (b"GET / HTTP/1.1\r\n\r\n", b"", bytes(65536), garbage(2), b"GDWT" + garbage(3)):
        with socket.create_connection((host, int(port))) as s:
            try:
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(20)
                while s.recv(4096):
                    pass
            except OSError:  # turned away while still talking
                pass
    can_still_take_one(stage, source, destination)


def case_a_destination_from_the_future(stage):
    source, destination = stage.source(), stage.destination()
    proxy = Proxy(destination.incoming, to_source=welcome_from_the_future)
    stage.closers.append(proxy.cut)
    refused(stage, source, proxy.uri, "version", "welcome")


def case_a_source_from_the_future(stage):
    source, destination = stage.source(), stage.destination()
    proxy = Proxy(destination.incoming, to_destination=hello_from_the_future)
    stage.closers.append(proxy.cut)
    refused(stage, source, proxy.uri, "version")
    can_still_take_one(stage, source, destination)


def mismatch(stage, told, here=None, there=None):
    """Two VMs that do not fit: the destination says why, before the guest is paused."""
    source = stage.source(**(here or {}))
    destination = stage.destination(**(there or {}))
    done = stage.migrate(source, destination.incoming)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    stage.expect_stayed(source, done, *told)
    expect(done.report.get("blackout_ms", 0) == 0, "the guest was paused for it")
    expect(destination.state == "incoming", f"the destination is {destination.state}")


def case_other_memory_size(stage):
    mismatch(stage, ("memory", "RAM"), {"memory": "64M"}, {"memory": "96M"})


def case_fewer_devices(stage):
    mismatch(stage, ("dev1",), {"nr_devices": 2}, {"nr_devices": 1})


def case_more_devices(stage):
    mismatch(stage, ("dev1",), {"nr_devices": 1}, {"nr_devices": 2})


def case_destination_device_cannot_migrate(stage):
    mismatch(stage, ("dev0", "migrat"), None, {"device_options": ("--state-size", "1M", "--no-migration")})


def case_source_device_cannot_migrate(stage):
    source, destination = stage.source(device_options=("--state-size", "1M", "--no-migration")), stage.destination()
    refused(stage, source, destination.incoming, "dev0", "migrat")


def case_two_devices_without_p2p(stage):
    """Several devices and one without P2P is a blocker, unless the user takes the risk."""
    options = {"nr_devices": 2, "device_options": ("--state-size", "1M", "--no-p2p")}
    source, destination = stage.source(**options), stage.destination(**options)
    refused(stage, source, destination.incoming, "p2p")
    done = stage.migrate(source, destination.incoming, "--allow-no-p2p")
    stage.expect_moved(source, destination, done)
    expect(done.report["handover"]["allowed_no_p2p"] is True, "waived, and the report does not say so")


def case_other_state_size(stage):
    """Another local memory is another device to the one that loads it: refused, and before the pause or after it
    the guest ends up running at the source."""
    source = stage.source()
    destination = stage.destination(device_options=("--state-size", "2M"))
    done = stage.migrate(source, destination.incoming)
    expect(done.code == ROLLED_BACK, f"exit code {done.code}: {done.err}")
    stage.expect_stayed(source, done, "dev0")
    destination.expect_no_guest()


def case_a_vm_that_has_a_guest_takes_none(stage):
    source, other = stage.source("source"), stage.source("other", nr_devices=0)
    refused(stage, source, f"unix:{other.control}")
    other.expect_guest()


def case_an_unreadable_socket(stage):
    source = stage.source()
    path = stage.path("plain-file")
    path.write_bytes(os.urandom(100))
    refused(stage, source, f"unix:{path}", "nothing listens")
