# SPDX-License-Identifier: Apache-2.0
"""caudexd as an operator meets it: starting, mistakes, signals, logs, service managers."""

import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from server import (
    TIMEOUT_S,
    Server,
    StartError,
    clean_environment,
    parse_address,
    program,
    run,
    wait_until,
)

# Numbers of the protocol, as in its description.
STATS, OK, ROW = 0x40, 0x00, 0x01

WORKERS = "a whole number from 1 to 64 or auto"


def start_error(*flags, **options) -> StartError:
    """The error of a start that must fail."""
    server = Server(*flags, **options)
    try:
        with pytest.raises(StartError) as caught:
            server.start()
    finally:
        server.kill()
        server.remove()
    return caught.value


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not ended (a zombie has)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def echo(server: Server, data: bytes = b"hello") -> None:
    """Fails unless the echo handler answers."""
    with server.connect() as peer:
        peer.sendall(data)
        assert receive(peer, len(data)) == data


def receive(peer: socket.socket, count: int) -> bytes:
    """Exactly that many bytes, or what came before the end."""
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            break
        data += more
    return data


# ---- flags and configuration ----


def test_version_and_documents_are_printed():
    assert re.fullmatch(r"caudexd \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "usage: caudexd" in run("--help").stdout
    assert run("--print-man").stdout.startswith('.\\" Generated')
    for flag in ("--version", "--help", "--print-man", "--print-config"):
        assert run(flag).returncode == 0


def test_the_printed_configuration_is_correct(tmp_path):
    file = tmp_path / "conf"
    file.write_text(run("--print-config").stdout)
    done = run("--check-config", f"--config={file}")
    assert (done.returncode, done.stdout) == (0, "caudexd: the configuration is correct\n")


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([program(), "--help"], stdout=full, stderr=subprocess.PIPE,
                              env=clean_environment(), timeout=TIMEOUT_S, check=False)
    assert done.returncode == 1
    assert done.stderr == b"caudexd: stdout: No space left on device\n"


@pytest.mark.parametrize("flags, error", [
    (["--workers=many"], f"command line: --workers: got 'many', expected {WORKERS}"),
    (["--wrokers=2"], "command line: --wrokers: unknown; did you mean --workers?"),
    (["--config=/nonexistent"],
     "/nonexistent: cannot read the configuration file: No such file or directory"),
    (["--daemonize"], "command line: --daemonize: got 'yes', expected a log-target other than "
                      "stderr with it"),
])
def test_a_mistake_is_reported_and_ends_with_2(flags, error):
    for action in ([], ["--check-config"]):
        done = run(*flags, *action)
        assert (done.returncode, done.stderr, done.stdout) == (2, f"caudexd: {error}\n", "")


def test_all_mistakes_of_a_file_are_reported_in_one_run(tmp_path):
    file = tmp_path / "conf"
    file.write_text("# mine\nworker = 2\nworkers = many\nnonsense\nlisten = localhost:1\n")
    done = run(f"--config={file}", env={"CAUDEXD_LOG_LEVEL": "loud"})
    assert done.returncode == 2
    assert done.stderr == (
        f"caudexd: {file}:2: key 'worker': unknown; did you mean 'workers'?\n"
        f"caudexd: {file}:3: key 'workers': got 'many', expected {WORKERS}\n"
        f"caudexd: {file}:4: got 'nonsense', expected 'key = value'\n"
        f"caudexd: {file}:5: key 'listen': got 'localhost:1', expected a literal IPv4 address, an "
        "IPv6 address in brackets or * before the port\n"
        "caudexd: environment: CAUDEXD_LOG_LEVEL: got 'loud', expected debug, info, warn or error\n"
    )


def test_an_unreadable_file_is_a_mistake(tmp_path):
    file = tmp_path / "conf"
    file.write_text("")
    file.chmod(0)
    nobody = {"user": 65534} if os.getuid() == 0 else {}  # root can read everything
    try:
        done = run(f"--config={file}", **nobody)
    except PermissionError:
        pytest.skip("the program itself is not readable for others")
    assert (done.returncode, done.stderr) == (
        2, f"caudexd: {file}: cannot read the configuration file: Permission denied\n")


def test_a_directory_is_no_configuration(tmp_path):
    done = run(f"--config={tmp_path}")
    assert (done.returncode, done.stderr) == (
        2, f"caudexd: {tmp_path}: cannot read the configuration file: Is a directory\n")


def test_file_environment_and_flags_work_together():
    config = "log-format = json\nlog-level = error\nworkers = 3\n"
    with Server("--workers=1", config=config, env={"CAUDEXD_LOG_LEVEL": "info"}) as server:
        started = json.loads(server.log().splitlines()[0])
    assert (started["msg"], started["workers"]) == ("started", 1)


# ---- starting ----


def test_the_ready_file_has_one_line_per_address_and_vanishes(tmp_path):
    listen = ["127.0.0.1:0,handler=echo", f"unix:{tmp_path}/s,handler=echo", "127.0.0.1:0"]
    with Server(listen=listen) as server:
        assert len(server.addresses) == 3
        assert re.fullmatch(r"127\.0\.0\.1:\d+", server.addresses[0])
        assert server.addresses[1] == f"unix:{tmp_path}/s"
        assert server.addresses[0] != server.addresses[2]
        for address in server.addresses:
            assert f"address={address} " in server.log()
        with server.connect(1) as peer:
            peer.sendall(b"x")
            assert receive(peer, 1) == b"x"
        server.stop()
        assert not server.ready_file.exists()
        assert not (tmp_path / "s").exists()


def test_the_mode_of_a_unix_socket_is_as_configured(tmp_path):
    for mode in (0o600, 0o666):
        with Server(listen=[f"unix:{tmp_path}/s,mode=0{mode:o}"]):
            assert (tmp_path / "s").stat().st_mode & 0o777 == mode


def test_every_address_means_both_families():
    with Server(listen=["*:0,handler=echo"]) as server:
        port = server.port
        hosts = [(socket.AF_INET, "127.0.0.1")]
        if Path("/proc/net/if_inet6").exists():
            hosts.append((socket.AF_INET6, "::1"))
        for family, host in hosts:
            with socket.socket(family, socket.SOCK_STREAM) as peer:
                peer.settimeout(TIMEOUT_S)
                peer.connect((host, port))
                peer.sendall(b"x")
                assert receive(peer, 1) == b"x"
        assert "reachable from other machines" in server.log()


def test_loopback_is_not_called_reachable():
    with Server(unix=True) as server:
        assert "reachable" not in server.log()


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        error = start_error(listen=[address])
    assert error.code == 1
    assert re.search(rf'level=error msg="cannot start" error="cannot listen: {address}: '
                     r'address already in use"', error.log, re.IGNORECASE)


def test_a_log_that_cannot_be_opened_stops_the_start():
    error = start_error("--log-target=/nonexistent/log")
    assert (error.code, error.log) == (
        1, "caudexd: cannot open the log /nonexistent/log: No such file or directory\n")


def test_a_ready_file_that_cannot_be_written_stops_the_start():
    done = run("--listen=127.0.0.1:0", "--ready-file=/nonexistent/ready")
    assert done.returncode == 1
    assert "/nonexistent/ready: cannot write the ready file: No such file" in done.stderr


def limit_files(soft: int, hard: int):
    """For Popen: the limits of open files of the new process."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_of_open_files_is_raised():
    with Server("--connections-max=500", preexec_fn=limit_files(64, 1000)) as server:
        text = Path(f"/proc/{server.pid}/limits").read_text()
        soft = int(re.search(r"Max open files\s+(\d+)", text).group(1))
        assert 500 < soft <= 1000


def test_too_few_open_files_stop_the_start():
    error = start_error("--connections-max=5000", preexec_fn=limit_files(64, 1000))
    assert error.code == 1
    assert "too few open files are allowed: connections-max needs 5" in error.log
    assert "the hard limit is 1000; raise it (LimitNOFILE=5" in error.log


# ---- PID file ----


def test_the_pid_file_names_the_server_and_vanishes(tmp_path):
    file = tmp_path / "pid"
    with Server(f"--pid-file={file}") as server:
        assert int(file.read_text()) == server.pid
        server.stop()
        assert not file.exists()


def test_a_live_pid_file_stops_a_second_server(tmp_path):
    file = tmp_path / "pid"
    with Server(f"--pid-file={file}") as server:
        error = start_error(f"--pid-file={file}")
        assert error.code == 1
        assert f"{file}: a server is running already, as process {server.pid}" in error.log
        assert int(file.read_text()) == server.pid


def test_a_killed_server_leaves_a_file_that_the_next_replaces(tmp_path):
    file = tmp_path / "pid"
    with Server(f"--pid-file={file}") as first:
        first.kill()
        assert int(file.read_text()) == first.pid
        with Server(f"--pid-file={file}") as second:
            assert int(file.read_text()) == second.pid
            assert f"path={file} pid={first.pid}" in second.log()


def test_a_killed_server_leaves_a_socket_that_the_next_replaces(tmp_path):
    listen = [f"unix:{tmp_path}/s,handler=echo"]
    with Server(listen=listen) as first:
        first.kill()
        assert (tmp_path / "s").exists()
        with Server(listen=listen) as second:
            echo(second)


def test_a_foreign_file_is_not_overwritten(tmp_path):
    file = tmp_path / "precious"
    file.write_text("root:x:0:0")
    error = start_error(f"--pid-file={file}")
    assert f"{file}: holds something else than a process number" in error.log
    assert file.read_text() == "root:x:0:0"


# ---- daemon ----


def stop_daemon(pid: int) -> None:
    """SIGTERM, then waits for the end of a process that is no child of ours."""
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(pid), "end of the daemon")


def test_a_daemon_listens_when_the_command_returns(tmp_path):
    done = run("--daemonize", f"--log-target={tmp_path}/log", f"--pid-file={tmp_path}/pid",
               f"--ready-file={tmp_path}/ready", "--listen=127.0.0.1:0,handler=echo")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = int((tmp_path / "pid").read_text())
    try:
        family, place = parse_address((tmp_path / "ready").read_text().strip())
        with socket.socket(family, socket.SOCK_STREAM) as peer:
            peer.settimeout(TIMEOUT_S)
            peer.connect(place)
            peer.sendall(b"x")
            assert receive(peer, 1) == b"x"
        assert os.getsid(pid) not in (pid, os.getsid(0))
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        for fd in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    finally:
        stop_daemon(pid)
    assert "msg=stopped" in (tmp_path / "log").read_text()
    assert sorted(os.listdir(tmp_path)) == ["log"]


def test_a_daemon_that_fails_tells_the_command(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("--daemonize", f"--log-target={tmp_path}/log", f"--listen={address}",
                   f"--pid-file={tmp_path}/pid")
    assert done.returncode == 1
    assert done.stderr.lower() == (
        f"caudexd: cannot listen: {address}: address already in use\n")
    assert "cannot start" in (tmp_path / "log").read_text()
    assert sorted(os.listdir(tmp_path)) == ["log"]


def test_a_daemon_finds_its_relative_configuration_again(tmp_path):
    file = tmp_path / "conf"
    base = (f"log-target = {tmp_path}/log\npid-file = {tmp_path}/pid\ndaemonize = yes\n"
            "listen = 127.0.0.1:0\n")
    file.write_text(base)
    done = run("--config=conf", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pid = int((tmp_path / "pid").read_text())
    try:
        file.write_text(base + "idle-timeout = 5min\n")
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: "msg=reloaded" in (tmp_path / "log").read_text(), "reload")
        assert "key=idle-timeout from=1h to=5min" in (tmp_path / "log").read_text()
    finally:
        stop_daemon(pid)


# ---- reload ----


def reload(server: Server, word: str) -> str:
    """Sends SIGHUP and returns what the server logs until `word`."""
    before = len(server.log())
    server.signal(signal.SIGHUP)
    wait_until(lambda: word in server.log()[before:], f"'{word}' in the log")
    return server.log()[before:]


def test_a_reload_applies_what_can_change_and_names_the_rest():
    with Server(config="workers = 1\nidle-timeout = 1h\n", handler="echo") as server:
        server.config_file.write_text("workers = 2\nidle-timeout = 2h\nlog-format = json\n")
        lines = [json.loads(line) for line in reload(server, "reloaded").splitlines()]
        found = [(line["level"], line["msg"], line.get("key"), line.get("from"), line.get("to"))
                 for line in lines]
        assert found == [
            ("info", "changed", "idle-timeout", "1h", "2h"),
            ("warn", "this change needs a restart", "workers", "1", "2"),
            ("info", "changed", "log-format", "text", "json"),
            ("info", "reloaded", None, None, None),
        ]
        echo(server)


def test_an_idle_timeout_takes_effect_on_reload():
    with Server(config="idle-timeout = 1h\n", handler="echo") as server:
        with server.connect() as peer:
            peer.sendall(b"x")
            assert receive(peer, 1) == b"x"
            server.config_file.write_text("idle-timeout = 100ms\n")
            reload(server, "msg=reloaded")
            assert receive(peer, 1) == b""


def test_a_connection_limit_takes_effect_on_reload():
    with Server(config="connections-max = 100\n", handler="echo") as server:
        with server.connect() as first:
            first.sendall(b"x")
            assert receive(first, 1) == b"x"
            server.config_file.write_text("connections-max = 1\n")
            reload(server, "msg=reloaded")
            with server.connect() as second:
                assert receive(second, 1) == b""
            first.sendall(b"y")
            assert receive(first, 1) == b"y"


def test_a_bad_file_is_refused_and_the_server_goes_on():
    with Server(config="idle-timeout = 1h\n", handler="echo") as server:
        server.config_file.write_text("idle-timeout = 2h\nworkers = many\nlog-format = json\n")
        log = reload(server, "nothing changed")
        assert (f"level=error msg=configuration error=\"{server.config_file}:2: key 'workers': got "
                f"'many', expected {WORKERS}\"") in log
        server.config_file.unlink()
        assert "cannot read the configuration file" in reload(server, "nothing changed")
        echo(server)
        server.config_file.write_text("idle-timeout = 2h\n")
        assert "key=idle-timeout from=1h to=2h" in reload(server, "msg=reloaded")


def test_more_connections_than_files_are_refused_on_reload():
    with Server(config="connections-max = 500\n", handler="echo",
                preexec_fn=limit_files(64, 1000)) as server:
        server.config_file.write_text("connections-max = 5000\n")
        assert "too few open files" in reload(server, "nothing changed")
        echo(server)


def test_a_new_log_that_cannot_be_opened_is_refused_on_reload():
    with Server(config="log-level = info\n", handler="echo") as server:
        server.config_file.write_text("log-level = error\nlog-target = /nonexistent/log\n")
        assert "cannot open the log /nonexistent/log" in reload(server, "nothing changed")
        server.config_file.write_text("log-level = info\n")
        reload(server, "msg=reloaded")


def test_a_rotated_log_is_opened_anew(tmp_path):
    log, rotated = tmp_path / "log", tmp_path / "log.1"
    with Server(f"--log-target={log}") as server:
        assert "msg=started" in log.read_text()
        log.rename(rotated)
        server.signal(signal.SIGHUP)
        wait_until(lambda: log.exists() and "msg=reloaded" in log.read_text(), "new log")
        server.stop()
        assert "msg=stopped" in log.read_text()
        assert "reloaded" not in rotated.read_text()
        assert server.log() == ""


def test_a_bad_file_does_not_keep_the_log_from_being_rotated(tmp_path):
    log = tmp_path / "log"
    with Server(f"--log-target={log}", config="") as server:
        server.config_file.write_text("nonsense")
        log.rename(tmp_path / "log.1")
        server.signal(signal.SIGHUP)
        wait_until(lambda: log.exists() and "nothing changed" in log.read_text(), "new log")


def test_reloads_do_not_leak_descriptors(tmp_path):
    with Server(f"--log-target={tmp_path}/log", config="") as server:
        def descriptors():
            return len(os.listdir(f"/proc/{server.pid}/fd"))

        before = descriptors()
        for count in range(1, 11):
            server.signal(signal.SIGHUP)
            wait_until(lambda: (tmp_path / "log").read_text().count("msg=reloaded") == count,
                       "reload")
        assert descriptors() == before


# ---- stopping ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(number):
    with Server(handler="echo") as server:
        echo(server)
        server.signal(number)
        assert server.wait() == 0
        assert re.search(r"msg=stopping\n.*msg=stopped connections=1 bytes_in=5 bytes_out=5\n$",
                         server.log(), re.DOTALL)


def test_a_stop_answers_what_was_received():
    sent = os.urandom(256 << 10)
    with Server("--drain-timeout=20s", handler="echo") as server:
        with server.connect() as first, server.connect() as second:
            for peer in (first, second):
                peer.sendall(sent)
            server.signal(signal.SIGTERM)
            for peer in (first, second):
                assert receive(peer, len(sent) + 1) == sent  # all of it, then the end
        assert server.wait() == 0


def stalled(server: Server) -> socket.socket:
    """A peer that has sent much and reads nothing, so that draining cannot end."""
    peer = server.connect()
    peer.setblocking(False)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 0.3:
        try:
            peer.send(bytes(65536))
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return peer


def test_a_drain_ends_at_its_deadline():
    with Server("--drain-timeout=500ms", handler="echo") as server:
        with stalled(server):
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
            assert 0.4 < time.monotonic() - began < TIMEOUT_S


def test_a_second_signal_stops_at_once():
    with Server("--drain-timeout=1h", handler="echo") as server:
        with stalled(server):
            server.signal(signal.SIGTERM)
            server.wait_for_log("msg=stopping\n")
            time.sleep(0.3)
            assert server.process.poll() is None
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        assert 'msg="stopping at once"' in server.log()


def test_a_stopping_server_accepts_nobody():
    with Server("--drain-timeout=1h", handler="echo") as server:
        with stalled(server):
            server.signal(signal.SIGTERM)
            server.wait_for_log("msg=stopping\n")
            assert not server.ready_file.exists()

            def refused():
                try:
                    server.connect().close()
                except ConnectionRefusedError:
                    return True
                except ConnectionResetError:
                    pass  # the listener went while this one was being made: the next is refused
                return False

            wait_until(refused, "refusal")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2])
def test_stray_signals_are_ignored(number):
    with Server(handler="echo") as server:
        server.signal(number)
        time.sleep(0.1)
        echo(server)


def test_a_log_that_nobody_reads_any_more_does_not_stop_the_server():
    read_end, write_end = os.pipe()
    ready = Server()
    command = [*ready.command, "--log-target=stderr"]
    process = subprocess.Popen(command, stderr=write_end, env=clean_environment())
    os.close(write_end)
    try:
        wait_until(ready.ready_file.exists, "ready file")
        os.close(read_end)
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        assert process.poll() is None
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
        ready.remove()


# ---- counters ----


def read_rows(peer: socket.socket, rid: int) -> dict[str, str]:
    """The rows of a kv answer: status u8, rid u32, key, value, with their lengths."""
    rows = {}
    while True:
        status, got_rid, key_len = struct.unpack(">BIH", receive(peer, 7))
        key = receive(peer, key_len).decode()
        value = receive(peer, struct.unpack(">I", receive(peer, 4))[0])
        assert got_rid == rid
        if status != ROW:
            assert status == OK
            return rows
        rows[key] = value.decode()


def test_the_counters_of_the_server_can_be_asked_for():
    with Server() as server:
        with server.connect() as peer:
            peer.sendall(struct.pack(">BIHI", STATS, 9, 0, 0))
            rows = read_rows(peer, 9)
    assert rows["net.connections_open"] == "1"
    assert rows["net.connections_accepted"] == "1"
    assert int(rows["net.bytes_in"]) == 11
    assert rows["store.keys"] == "0"


# ---- log ----


def test_every_line_of_a_json_log_is_an_object(tmp_path):
    odd = tmp_path / 'odd "name" \\ \u00fc'
    odd.mkdir()
    with Server("--log-format=json", f"--pid-file={odd}/pid", config="") as server:
        server.kill()
        server.start()
        server.config_file.write_bytes(b'workers = "\xff\x01\xc2\x9b\\ \n')
        server.signal(signal.SIGHUP)
        server.wait_for_log("nothing changed")
        server.config_file.write_text("")
        server.stop()
        lines = [json.loads(line) for line in server.log_file.read_bytes().decode().splitlines()]
    for line in lines:
        assert list(line)[:3] == ["time", "level", "msg"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert any(line.get("path") == f"{odd}/pid" for line in lines)
    assert any("got '\"\ufffd\\x01\u009b\\'" in line.get("error", "") for line in lines)


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="a syslog runs here")
def test_without_syslog_the_start_fails():
    error = start_error("--log-target=syslog")
    assert error.code == 1
    assert error.log.startswith("caudexd: cannot open the log syslog (/dev/log): ")


@pytest.mark.skipif(os.path.exists("/dev/log") or not os.access("/dev", os.W_OK),
                    reason="needs to put its own socket at /dev/log")
def test_syslog_gets_level_and_text_without_a_time():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("/dev/log")
        try:
            receiver.settimeout(TIMEOUT_S)
            with Server("--log-target=syslog", config="") as server:
                line = receiver.recv(8192).decode()
                daemon_info = 3 * 8 + 6
                assert re.fullmatch(
                    rf"<{daemon_info}>.*caudexd\[{server.pid}\]: level=info msg=started version=.*",
                    line)
                server.signal(signal.SIGHUP)
                while "msg=reloaded" not in line:
                    line = receiver.recv(8192).decode()
        finally:
            os.unlink("/dev/log")


# ---- service managers ----


def test_the_service_manager_is_notified(tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(TIMEOUT_S)
        with Server(env={"NOTIFY_SOCKET": str(path)}) as server:
            assert receiver.recv(256) == b"READY=1"
            server.signal(signal.SIGHUP)
            before = time.monotonic()
            reloading = receiver.recv(256).decode()
            moment = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading).group(1)
            assert abs(int(moment) / 1e6 - before) < TIMEOUT_S
            assert receiver.recv(256) == b"READY=1"
            server.signal(signal.SIGTERM)
            assert receiver.recv(256) == b"STOPPING=1"
            assert server.wait() == 0


class Activated(Server):
    """A server that gets listening sockets as systemd hands them over."""

    def __init__(self, sockets, *flags, names=None, **options):
        super().__init__(*flags, **options)
        if not options.get("listen"):
            self.command = [part for part in self.command if not part.startswith("--listen=")]
        # The shell's number is the server's: exec keeps it.
        moves = "".join(f" {3 + i}<&{100 + i} {100 + i}<&-" for i in range(len(sockets)))
        script = f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$0" "$@"{moves}'
        self.command = ["bash", "-c", script, *self.command]
        self.popen = {"pass_fds": [], "preexec_fn": lambda: self._place(sockets)}
        self.popen["close_fds"] = False
        if names is not None:
            self.env["LISTEN_FDNAMES"] = names

    @staticmethod
    def _place(sockets):
        for index, each in enumerate(sockets):
            os.dup2(each.fileno(), 100 + index, inheritable=True)


def listening(family=socket.AF_INET, place=("127.0.0.1", 0)) -> socket.socket:
    """A socket as a service manager opens it."""
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.bind(place)
    opened.listen()
    return opened


def test_handed_over_sockets_are_served_by_the_handler_they_name(tmp_path):
    path = str(tmp_path / "s")
    with listening() as tcp, listening(socket.AF_UNIX, path) as unix:
        port = tcp.getsockname()[1]
        with Activated([tcp, unix], names="echo:echo") as server:
            assert server.addresses == [f"127.0.0.1:{port}", f"unix:{path}"]
            echo(server)
            with server.connect(1) as peer:
                peer.sendall(b"x")
                assert receive(peer, 1) == b"x"
            assert "handler=kv" not in server.log()
            server.stop()
        assert os.path.exists(path)  # it is the service manager's, not ours
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S):
            pass  # still open: connections wait for the next server


def test_a_handed_over_socket_takes_the_place_of_its_configured_address():
    with listening() as tcp:
        address = f"127.0.0.1:{tcp.getsockname()[1]}"
        listen = ["127.0.0.1:0,handler=echo", f"{address},handler=echo"]
        with Activated([tcp], listen=listen, names="kv") as server:
            assert len(server.addresses) == 2
            assert server.addresses[1] == address
            for index in range(2):
                with server.connect(index) as peer:
                    peer.sendall(b"x")
                    assert receive(peer, 1) == b"x"


def test_a_handed_over_socket_serves_all_workers_and_restarts():
    with listening() as tcp:
        for _ in range(2):
            with Activated([tcp], "--workers=4", names="echo") as server:
                for _ in range(20):
                    echo(server)


def test_more_addresses_than_can_be_served_stop_the_start():
    with listening() as tcp:
        server = Activated([tcp], listen=["127.0.0.1:0"] * 16)
        try:
            with pytest.raises(StartError) as caught:
                server.start()
        finally:
            server.kill()
            server.remove()
    assert "more than 16 listening addresses, with those handed over" in caught.value.log


def test_a_socket_that_does_not_listen_stops_the_start():
    with socket.socket() as idle:
        server = Activated([idle], names="kv")
        try:
            with pytest.raises(StartError) as caught:
                server.start()
        finally:
            server.kill()
            server.remove()
    assert caught.value.code == 1
    assert caught.value.log == ("caudexd: LISTEN_FDS: descriptor 3 ('kv'): expected a listening "
                                "TCP or unix stream socket\n")
