# SPDX-License-Identifier: Apache-2.0
"""Peers' addresses: what is understood, what is said about the rest; as test_client_address.c."""
from __future__ import annotations

import pytest
from caudex.address import parse_address

FORM = "expected HOST, HOST:PORT, [IPV6]:PORT or unix:PATH"
PORT = "expected a port from 1 to 65535 after the last ':'"
BRACKETS = "expected brackets around an IPv6 address, as in [::1]:7117"
PATH = "expected a path of at most 107 bytes after 'unix:'"


@pytest.mark.parametrize("text, host, port, path, name", [
    ("127.0.0.1:7117", "127.0.0.1", 7117, "", "127.0.0.1:7117"),
    ("127.0.0.1", "127.0.0.1", 99, "", "127.0.0.1:99"),
    ("[::1]:7117", "::1", 7117, "", "[::1]:7117"),
    ("[::1]", "::1", 99, "", "[::1]:99"),
    ("localhost:1", "localhost", 1, "", "localhost:1"),
    ("localhost:65535", "localhost", 65535, "", "localhost:65535"),
    ("localhost", "localhost", 99, "", "localhost:99"),
    ("unix:/run/x", "", 0, "/run/x", "unix:/run/x"),
    ("unix:x:1", "", 0, "x:1", "unix:x:1"),
    ("unix:" + "x" * 107, "", 0, "x" * 107, "unix:" + "x" * 107),
])
def test_addresses_are_understood(text: str, host: str, port: int, path: str, name: str) -> None:
    address = parse_address(text, 99)
    assert (address.host, address.port, address.path, address.name) == (host, port, path, name)


@pytest.mark.parametrize("text, expected", [
    ("", FORM), (":7117", FORM), ("[]:7117", FORM), ("[::1", FORM), ("[::1]7117", FORM),
    ("host:", PORT), ("host:0", PORT), ("host:65536", PORT), ("host:070000", PORT),
    ("host:7117x", PORT), ("host:-1", PORT), ("host: 1", PORT), ("::1", BRACKETS),
    ("::1:7117", BRACKETS), ("a:b:c", BRACKETS), ("unix:", PATH), ("[::1]:x", PORT),
    ("unix:" + "x" * 108, PATH), ("h" * 256, "expected a host name of at most 253 bytes"),
])
def test_what_is_no_address_is_told_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_address(text, 99)
    assert str(caught.value).startswith(expected)
