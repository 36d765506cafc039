# SPDX-License-Identifier: Apache-2.0
"""Tests of `caudexc build --bundle`: what it writes is C that a compiler alone builds, and that works."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAUDEXC = os.environ.get("CAUDEXC", "").split() or [sys.executable, "-I", "-B", str(ROOT / "gen")]
PROTO = ROOT / "proto"
FLAGS = ["-std=c17", "-O0", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I."]
# Of every kind: calls and messages, patterns, names that are keywords elsewhere, one byte order and the other.
DESCRIPTIONS = [PROTO / "kv.cdx", PROTO / "memcache.cdx", PROTO / "resp.cdx", PROTO / "examples" / "mqtt.cdx",
                *sorted((HERE / "good").glob("*.cdx")), HERE / "lang.cdx", HERE / "tiny.cdx"]
COMPILERS = [c for c in ("gcc", "clang") if shutil.which(c)]

# Encodes, cuts into single bytes, parses, and compares.
KV = r"""
#include HEADERS
#include <stdio.h>

static struct kv_request seen;
static void put(void *context, const struct kv_request *request) { (void)context; seen = *request; }

int main(void)
{
    uint8_t wire[256];
    struct cdx_out out = {wire, wire + sizeof wire};
    const struct kv_handlers handlers = {.put = put};
    struct kv_request_parser requests;
    struct kv_response_parser responses;
    struct kv_request request;
    struct kv_response response;
    struct cdx_spill spill;
    enum cdx_status status = CDX_MORE;
    if (kv_put_request_encode(&out, 7, CDX_STR("/a/b"), CDX_STR("value")) != CDX_OK)
        return 1;
    kv_request_parser_init(&requests);
    cdx_spill_init(&spill);
    for (const uint8_t *next = wire; next != out.next;)
        status = kv_request_feed(&requests, &spill, &next, next + 1, &request);
    if (status != CDX_OK)
        return 2;
    kv_dispatch(&handlers, NULL, &request);
    if (seen.rid != 7 || !cdx_bytes_equal(seen.key, CDX_STR("/a/b")) ||
        !cdx_bytes_equal(seen.val, CDX_STR("value")))
        return 3;
    cdx_spill_free(&spill);
    out = (struct cdx_out){wire, wire + sizeof wire};
    if (kv_get_ok_encode(&out, seen.rid, seen.key) != CDX_OK)
        return 4;
    kv_response_parser_init(&responses);
    cdx_spill_init(&spill);
    for (const uint8_t *next = wire; next != out.next;)
        status = kv_response_feed(&responses, &spill, &next, next + 1, &response);
    if (status != CDX_OK || response.rid != 7 || response.val.len != 4)
        return 5;
    cdx_spill_free(&spill);
    printf("both sides agree\n");
    return 0;
}
"""
MEMCACHE = r"""
#include HEADERS
#include <stdio.h>

int main(void)
{
    uint8_t wire[256];
    struct cdx_out out = {wire, wire + sizeof wire};
    struct memcache_request sent = {.opcode = MEMCACHE_OPCODE_GET, .key = CDX_STR("a key"), .opaque = 9};
    struct memcache_request_parser parser;
    struct memcache_request request;
    struct cdx_spill spill;
    enum cdx_status status = CDX_MORE;
    if (memcache_request_encode(&out, &sent) != CDX_OK)
        return 1;
    memcache_request_parser_init(&parser);
    cdx_spill_init(&spill);
    for (const uint8_t *next = wire; next != out.next;)
        status = memcache_request_feed(&parser, &spill, &next, next + 1, &request);
    if (status != CDX_OK || request.opaque != 9 || !cdx_bytes_equal(request.key, sent.key))
        return 2;
    cdx_spill_free(&spill);
    printf("both sides agree\n");
    return 0;
}
"""


def bundle(description: Path, out: Path, *options: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*CAUDEXC, "build", str(description), "--bundle", str(out), *options],
                          capture_output=True, timeout=120, check=False)


def prefix_of(out: Path) -> str:
    return next(out.glob("example/*_read.c")).name[: -len("_read.c")]


def contents(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def build(out: Path, compiler: str, program: str) -> None:
    """With a compiler, in a folder that has nothing else, and no more environment than a path."""
    sources = sorted(p.name for p in out.glob("*.c"))
    # An enumerator above INT_MAX is C23's; gcc and clang have it in C17 as an extension.
    flags = [f for f in FLAGS if f != "-Wpedantic" or prefix_of(out) != "wide"]
    done = subprocess.run([compiler, *flags, *sources, program, "-o", "program"], cwd=out, timeout=120,
                          env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


# As several files only some: what a description can break is the names of one source beside another's.
@pytest.mark.parametrize(("description", "form"), [
    *((d, ()) for d in DESCRIPTIONS[:3]), *((d, ("--single",)) for d in DESCRIPTIONS),
], ids=lambda p: p.stem if isinstance(p, Path) else "single" if p else "files")
def test_every_description_builds_without_anything_else(description: Path, form: tuple[str, ...],
                                                        tmp_path: Path) -> None:
    done = bundle(description, tmp_path, *form)
    assert done.returncode == 0, done.stderr.decode()
    files = contents(tmp_path)
    assert {"README.md", "LICENSE"} < set(files)
    for path, text in files.items():
        assert b"#line" not in text and str(ROOT).encode() not in text, path
    compilers = COMPILERS if description.stem == "resp" else COMPILERS[:1] if not form else COMPILERS[-1:]
    example = f"example/{prefix_of(tmp_path)}_read.c"
    for compiler in compilers:
        build(tmp_path, compiler, example)
    usage = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
    assert usage.returncode == 2 and usage.stderr.startswith("usage: ")
    stream = usage.stderr.split()[2]
    nothing = subprocess.run([str(tmp_path / "program"), stream], input="", capture_output=True, text=True,
                             check=False)
    assert (nothing.returncode, nothing.stdout) == (0, "0 messages\n")
    assert bundle(description, tmp_path, *form).returncode == 0
    again = contents(tmp_path)
    assert {path: again[path] for path in files} == files


@pytest.mark.parametrize("form", [(), ("--single",)], ids=["files", "single"])
@pytest.mark.parametrize(("name", "headers", "program"), [
    ("kv", ["<caudex/kv.h>", "<caudex/kv_dispatch.h>"], KV),
    ("memcache", ["<caudex/memcache.h>"], MEMCACHE),
], ids=["calls", "messages"])
def test_what_is_encoded_is_parsed(name: str, headers: list[str], program: str, form: tuple[str, ...],
                                   tmp_path: Path) -> None:
    assert bundle(PROTO / f"{name}.cdx", tmp_path, *form).returncode == 0
    included = [f'"{name}.h"'] if form else headers
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "talk.c").write_text(program.replace(
        "#include HEADERS", "\n".join(f"#include {h}" for h in included)))
    for compiler in COMPILERS:
        build(tmp_path, compiler, "talk/talk.c")
        done = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "both sides agree\n")


def test_headers_are_cxx(tmp_path: Path) -> None:
    assert bundle(PROTO / "kv.cdx", tmp_path / "kv", "--single").returncode == 0
    assert bundle(PROTO / "resp.cdx", tmp_path / "resp", "--single").returncode == 0
    (tmp_path / "both.cc").write_text('#include "kv/kv.h"\nint main() { return sizeof(kv_request) == 0; }\n')
    for compiler in [c for c in ("g++", "clang++") if shutil.which(c)]:
        subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "both.cc"],
                       cwd=tmp_path, check=True, timeout=60)


def test_the_example_says_where_bytes_are_wrong(tmp_path: Path) -> None:
    assert bundle(PROTO / "kv.cdx", tmp_path).returncode == 0
    build(tmp_path, COMPILERS[0], "example/kv_read.c")
    whole = bytes.fromhex("10 00000001 0002 2f61 00000000")

    def says(data: bytes) -> str:
        return subprocess.run([str(tmp_path / "program"), "request"], input=data, capture_output=True,
                              check=False).stdout.decode()

    assert says(whole * 1000) == "1000 messages\n"
    assert says(whole + whole[:5]) == "1 messages, the last one not whole\n"
    assert says(whole + b"\xff") == (
        f"error offset={len(whole)} field=type: a value that is not in the description\n")


def refused(said: str, *arguments: str, env: dict[str, str] | None = None, status: int = 1) -> None:
    done = subprocess.run([*CAUDEXC, "build", *arguments], capture_output=True, timeout=60, check=False,
                          env={**os.environ, **(env or {})})
    told = done.stderr.decode()
    assert done.returncode == status and said in told and told.count("\n") == 1, told


def test_nothing_that_is_not_of_the_bundle_is_touched(tmp_path: Path) -> None:
    kv = str(PROTO / "kv.cdx")
    (tmp_path / "mine.c").write_text("int mine;\n")
    refused("has files that are not of a bundle", kv, "--bundle", str(tmp_path))
    assert contents(tmp_path) == {"mine.c": b"int mine;\n"}
    out = tmp_path / "out"
    assert bundle(PROTO / "kv.cdx", out).returncode == 0
    (out / "mine.c").write_text("int mine;\n")
    (out / "kv.c").write_text("int mine;\n")
    refused(f"{out / 'kv.c'}: is not of the bundle", kv, "--bundle", str(out), "--single")
    (out / "kv.c").unlink()
    assert bundle(PROTO / "kv.cdx", out, "--single").returncode == 0
    left = contents(out)
    assert left["mine.c"] == b"int mine;\n" and "kv_encode.c" not in left and "kv.h" in left


def test_what_goes_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    kv = str(PROTO / "kv.cdx")
    (tmp_path / "file").write_text("")
    refused("Not a directory", kv, "--bundle", str(tmp_path / "file" / "out"))
    refused("a folder of its own", kv, "--bundle", str(tmp_path / "o"), "--out", str(tmp_path / "p"), status=2)
    refused("a form of --bundle", kv, "--single", status=2)
    python = tmp_path / "bin"
    python.mkdir()
    for tool in ("sh", "dirname", "readlink"):
        (python / tool).symlink_to(shutil.which(tool) or tool)
    refused("ragel was not found", kv, "--bundle", str(tmp_path / "o"), env={"PATH": str(python)})
    (python / "ragel").write_text("#!/bin/sh\necho no such machine >&2\nexit 3\n")
    (python / "ragel").chmod(0o755)
    refused("ragel failed with kv_request.rl: no such machine", kv, "--bundle", str(tmp_path / "o"),
            env={"PATH": str(python)})
    assert not (tmp_path / "o").exists()
