# SPDX-License-Identifier: Apache-2.0
"""MQTT from its description (proto/examples/mqtt.cdx) against mosquitto and its clients.

mqtt_peer reads and writes every byte with generated code: as a client of the broker, and
between the broker and mosquitto's own clients.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

PEER = os.environ["MQTT_PEER"]
BROKER = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
TIMEOUT_S = 30
TYPES = ("connect", "connection", "publish", "published", "received", "release", "complete", "subscribe",
         "subscribed", "unsubscribe", "unsubscribed", "ping", "pong", "disconnect")

pytestmark = pytest.mark.skipif(
    BROKER is None or shutil.which("mosquitto_pub") is None, reason="mosquitto is not installed")


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """The port of a mosquitto that lets everybody in."""
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n")
    assert BROKER is not None
    with subprocess.Popen([BROKER, "-c", str(config)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def counts(output: str) -> dict[str, int]:
    """Packets by type, as mqtt_peer prints them."""
    return {name: int(count) for name, count in (line.split() for line in output.splitlines())}


def test_a_client_made_from_the_description_does_everything(broker: int, tmp_path: Path) -> None:
    done = subprocess.run([PEER, "talk", str(broker), str(tmp_path / "capture")], check=False,
                          capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (done.returncode, done.stderr) == (0, "")
    seen = counts(done.stdout)
    assert [name for name in TYPES if seen[name] == 0] == []
    assert seen["publish"] == 6


def test_other_programs_packets_are_the_same_when_written_again(broker: int) -> None:
    # several lengths of the length: 1, 2 and 3 bytes
    payloads = ["a", "b" * 200, "c" * 20000]
    with subprocess.Popen([PEER, "relay", str(broker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as relay:
        assert relay.stdin is not None and relay.stdout is not None
        port = relay.stdout.readline().strip()
        client = ["-h", "127.0.0.1", "-p", port, "-V", "mqttv311"]
        sent = {f"relay/{quality}/{i}": payload for quality in "012" for i, payload in enumerate(payloads)}
        # retained: whoever subscribes later has them at once
        for topic, payload in sent.items():
            subprocess.run(["mosquitto_pub", *client, "-q", topic.split("/")[1], "-r", "-t", topic, "-m", payload,
                            "-u", "ana", "-P", "secret", "--will-topic", "gone", "--will-payload", "oh",
                            "--will-qos", "1"], check=True, timeout=TIMEOUT_S)
        done = subprocess.run(["mosquitto_sub", *client, "-q", "2", "-t", "relay/#", "-C", str(len(sent)), "-W",
                               str(TIMEOUT_S // 2), "-v"], check=True, capture_output=True, text=True,
                              timeout=TIMEOUT_S)
        output, errors = relay.communicate(timeout=TIMEOUT_S)
        assert (relay.returncode, errors) == (0, "")
    assert dict(line.split() for line in done.stdout.splitlines()) == sent
    seen = counts(output)
    assert seen["connect"] == seen["connection"] == len(sent) + 1
    assert seen["publish"] == 2 * len(sent)
    assert seen["subscribe"] == seen["subscribed"] == 1
    for name in "published", "received", "release", "complete":
        assert seen[name] >= len(payloads), name
