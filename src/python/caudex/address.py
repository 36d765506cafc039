# SPDX-License-Identifier: Apache-2.0
"""Peers' addresses as people write them."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass

_FORM = "expected HOST, HOST:PORT, [IPV6]:PORT or unix:PATH"
# A DNS name has at most 253 bytes, a Unix socket's path 107.
_HOST_MAX = 255
_PATH_MAX = 107


@dataclass(frozen=True)
class Address:
    """A Unix socket's `path`, or `host` and `port`; `name`: all of it, for texts."""

    host: str
    port: int
    path: str
    name: str


def parse_address(text: str, default_port: int) -> Address:
    """Reads HOST, HOST:PORT, [IPV6], [IPV6]:PORT or unix:PATH. ValueError says what is expected."""
    if text.startswith("unix:"):
        path = text[len("unix:"):]
        if not 1 <= len(os.fsencode(path)) <= _PATH_MAX:
            raise ValueError(f"expected a path of at most {_PATH_MAX} bytes after 'unix:', "
                             f"got '{text}'")
        return Address("", 0, path, text)
    parts = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::(.*))?", text, re.S)
    if not text.startswith("[") and text.count(":") > 1:
        raise ValueError("expected brackets around an IPv6 address, as in [::1]:7117, "
                         f"got '{text}'")
    if parts is None:
        raise ValueError(f"{_FORM}, got '{text}'")
    bracketed, plain, port_text = parts.groups()
    host = bracketed or plain
    if len(host) > _HOST_MAX:
        raise ValueError("expected a host name of at most 253 bytes")
    port = default_port
    if port_text is not None:
        if re.fullmatch(r"[0-9]{1,5}", port_text) is None or not 1 <= int(port_text) <= 65535:
            raise ValueError(f"expected a port from 1 to 65535 after the last ':', got '{text}'")
        port = int(port_text)
    name = f"[{host}]:{port}" if bracketed else f"{host}:{port}"
    return Address(host, port, "", name)
