# SPDX-License-Identifier: Apache-2.0
"""The README's examples, as typed and answered."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from server import TIMEOUT_S, Server

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PORT = 7117


@pytest.fixture(name="server")
def default_server():
    """A server on the default port; skips when something else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            pytest.skip(f"port {PORT} is in use on this machine")
    with Server(listen=[f"127.0.0.1:{PORT},handler=kv"]) as server:
        yield server


def test_the_shell_example_answers_as_printed(server):
    block = re.search(r"^## An example.*?\n\n((?:    [^\n]*\n)+)", README, re.M | re.S).group(1)
    lines = [line[4:] for line in block.splitlines()]
    typed = [line[2:] for line in lines if line.startswith("$ ") and "caudexd" not in line]
    printed = [line for line in lines if not line.startswith("$ ")]
    caudex = os.environ["CAUDEX"]
    script = "\n".join(line.replace("caudex ", f"{caudex} ", 1) for line in typed)
    run = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert run.stderr == ""
    assert run.stdout.splitlines() == printed


def test_the_c_example_runs(server):
    program = os.environ["README_EXAMPLE"]
    run = subprocess.run([program], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "/img = cdn-a\n", "")
