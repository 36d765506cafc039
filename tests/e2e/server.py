# SPDX-License-Identifier: Apache-2.0
"""Runs the real caudexd for a test: starts it, waits until it listens, stops it, keeps its log.

    with Server(handler="echo") as server:
        with server.connect() as peer:
            peer.sendall(b"hello")
            assert peer.recv(5) == b"hello"
        assert "listening" in server.log()

The program is the one that the environment variable CAUDEXD names. Leaving the
block stops the server with SIGTERM and fails if that was not a clean end, which
includes anything that a sanitizer has found.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Far more than a loaded machine with sanitizers needs, so that only a hang reaches it.
TIMEOUT_S = 20.0
# How often files and processes are looked at while waiting.
POLL_S = 0.01


def program() -> str:
    """The caudexd to test."""
    path = os.environ.get("CAUDEXD")
    if not path:
        raise RuntimeError("set CAUDEXD to the caudexd program that is to be tested")
    return os.path.abspath(path)


def clean_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what caudexd would read, and with `extra`."""
    drop = ("CAUDEXD", "LISTEN_", "NOTIFY_SOCKET")
    env = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
    env.update(extra or {})
    return env


def wait_until(condition, what: str, timeout_s: float = TIMEOUT_S):
    """Calls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(POLL_S)


def run(*flags: str, env: dict[str, str] | None = None, **options) -> subprocess.CompletedProcess:
    """Runs caudexd to its end: for --help, mistakes and starts that must fail."""
    return subprocess.run(
        [program(), *flags],
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        **options,
    )


def parse_address(text: str):
    """What socket.connect takes, from a line of the ready file, and its family."""
    if text.startswith("unix:"):
        return socket.AF_UNIX, text[len("unix:") :]
    host, port = text.rsplit(":", 1)
    if host.startswith("["):
        return socket.AF_INET6, (host[1:-1], int(port))
    return socket.AF_INET, (host, int(port))


class StartError(Exception):
    """The server ended before it was ready."""

    def __init__(self, code: int, log: str):
        super().__init__(f"caudexd ended with {code} before it was ready:\n{log}")
        self.code = code
        self.log = log


class Server:
    """One caudexd in a directory of its own.

    `listen` are addresses as --listen takes them; without any, a free port of
    127.0.0.1 is used, or a unix socket with `unix=True`. `handler` applies to
    those. `config` is the text of a configuration file, `flags` are added to the
    command line, `env` to the environment; other keywords go to Popen.
    """

    def __init__(self, *flags: str, listen=(), handler="kv", unix=False, config=None, env=None,
                 **popen):
        self.directory = Path(tempfile.mkdtemp(prefix="caudexd-"))
        self.ready_file = self.directory / "ready"
        self.config_file = self.directory / "caudexd.conf"
        self.log_file = self.directory / "log"
        if not listen:
            place = f"unix:{self.directory}/socket" if unix else "127.0.0.1:0"
            listen = [f"{place},handler={handler}"]
        self.command = [program(), f"--ready-file={self.ready_file}"]
        self.command += [f"--listen={address}" for address in listen]
        if config is not None:
            self.config_file.write_text(config)
            self.command.append(f"--config={self.config_file}")
        self.command += flags
        self.env = clean_environment(env)
        self.popen = popen
        self.process: subprocess.Popen | None = None
        self.addresses: list[str] = []

    # ---- life ----

    def start(self) -> "Server":
        """Starts it and waits until it accepts connections. StartError when it does not."""
        self.ready_file.unlink(missing_ok=True)  # a killed server leaves it
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                **self.popen)
        try:
            wait_until(self._is_decided, "ready file")
        except TimeoutError:
            self.kill()
            raise
        if not self.ready_file.exists():
            raise StartError(self.process.wait(), self.log())
        self.addresses = self.ready_file.read_text().splitlines()
        return self

    def _is_decided(self) -> bool:
        return self.ready_file.exists() or self.process.poll() is not None

    def signal(self, number: int) -> None:
        """Sends the server a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Waits for the end and returns the exit code; negative: the signal that killed it."""
        return self.process.wait(timeout_s)

    def stop(self) -> None:
        """Stops it with SIGTERM; fails unless it ends cleanly. Nothing when it has ended."""
        if self.process is None or self.process.poll() is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert code == 0, f"caudexd ended with {code}:\n{self.log()}"

    def kill(self) -> None:
        """Kills it as kill -9 does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT_S)

    def remove(self) -> None:
        """Removes its directory."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, kind, value, traceback) -> None:
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()
            self.remove()

    # ---- use ----

    @property
    def pid(self) -> int:
        """Its process number."""
        return self.process.pid

    @property
    def address(self) -> str:
        """Its first address, as clients write it: 127.0.0.1:40123, unix:/tmp/…"""
        return self.addresses[0]

    @property
    def port(self) -> int:
        """The port of its first address."""
        return parse_address(self.address)[1][1]

    def connect(self, index: int = 0) -> socket.socket:
        """A connected socket, with a timeout so that no test can hang."""
        family, place = parse_address(self.addresses[index])
        peer = socket.socket(family, socket.SOCK_STREAM)
        peer.settimeout(TIMEOUT_S)
        try:
            peer.connect(place)
        except OSError:
            peer.close()
            raise
        return peer

    def log(self) -> str:
        """All that it has written to stderr so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_for_log(self, text: str) -> str:
        """Waits until the log contains `text`, and returns the log."""
        wait_until(lambda: text in self.log(), f"'{text}' in the log")
        return self.log()
