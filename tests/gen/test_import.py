# SPDX-License-Identifier: Apache-2.0
"""Tests of descriptions that are split over files: one model, and every line in its own file."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = """\
/// Carries notes.
protocol notes 1.0 {
    endian big;
    port   7;
}

import "types/text.cdx";

/// A note.
message note {
    /// What it says.
    text: text;
    /// How.
    tone: tone;
}
"""
TEXT = """\
import "tone.cdx";

/// A text.
type text = bytes<u8, max 20>;
"""
TONE = """\
/// How it is said.
enum tone : u8 {
    /// So.
    low  = 1;
    /// Or so.
    high = 2;
}
"""


def caudexc(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-I", "-B", str(ROOT / "gen"), *arguments], cwd=folder,
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "types").mkdir()
    (tmp_path / "notes.cdx").write_text(MAIN)
    (tmp_path / "types" / "text.cdx").write_text(TEXT)
    (tmp_path / "types" / "tone.cdx").write_text(TONE)
    return tmp_path


def test_files_make_one_protocol(folder: Path) -> None:
    (folder / "note.bin").write_bytes(b"\x02hi\x02")
    done = caudexc(folder, "decode", "notes.cdx", "note.bin")
    assert done.stdout == '- note(text "hi", tone high)\n', done.stderr


def test_errors_stand_in_their_own_file(folder: Path) -> None:
    (folder / "types" / "tone.cdx").write_text(TONE.replace("high = 2", "high = 1"))
    (folder / "notes.cdx").write_text(MAIN.replace("text: text", "text: test"))
    done = caudexc(folder, "check", "notes.cdx")
    assert done.returncode == 1
    assert done.stderr == """\
notes.cdx:12:11: error[CDX0201]: there is no type 'test'
   12 |     text: test;
      |           ^^^^
  help: did you mean 'text'?

types/tone.cdx:6:12: error[CDX0306]: 1 is used twice in enum tone
    6 |     high = 1;
      |            ^
types/tone.cdx:4:12: note: first here
    4 |     low  = 1;
      |            ^
  help: every value has its own number

notes.cdx: 2 errors; nothing was written
"""


def test_errors_of_words_stand_in_their_own_file(folder: Path) -> None:
    (folder / "types" / "tone.cdx").write_text(TONE.replace(": u8", "u8") + "\n\x01\n")
    done = caudexc(folder, "check", "notes.cdx")
    assert "types/tone.cdx:2:11: error[CDX0103]" in done.stderr
    assert "types/tone.cdx:9:1: error[CDX0102]" in done.stderr
    assert "    2 | enum tone u8 {" in done.stderr


@pytest.mark.parametrize("loop", ['import "tone.cdx";', 'import "text.cdx";',
                                  'import "../notes.cdx";'])
def test_no_file_is_there_twice(folder: Path, loop: str) -> None:
    (folder / "types" / "tone.cdx").write_text(loop + "\n\n" + TONE)
    done = caudexc(folder, "check", "notes.cdx")
    assert done.returncode == 1
    assert "types/tone.cdx:1:8: error[CDX0327]" in done.stderr
    assert "is part of the description already" in done.stderr
    assert "notes.cdx: 1 error; nothing was written" in done.stderr


def test_another_protocol_is_refused_where_it_stands(folder: Path) -> None:
    (folder / "types" / "tone.cdx").write_text(MAIN.split("import")[0] + TONE)
    done = caudexc(folder, "check", "notes.cdx")
    assert "types/tone.cdx:2:10: error[CDX0301]: a second protocol" in done.stderr


def test_what_is_generated_names_the_files_and_depends_on_them(folder: Path) -> None:
    done = caudexc(folder, "build", "notes.cdx", "--out", "out", "--stamp", "out/stamp",
                   "--depfile", "out/d")
    assert done.returncode == 0, done.stderr
    header = (folder / "out" / "include" / "caudex" / "notes.h").read_text()
    assert "(types/tone.cdx:2)" in header and "(notes.cdx:10)" in header
    for name in ("notes.cdx", "types/text.cdx", "types/tone.cdx"):
        assert str((folder / name).resolve()) in (folder / "out" / "d").read_text()


def test_the_model_names_the_files(folder: Path) -> None:
    model = json.loads(caudexc(folder, "json", "notes.cdx").stdout)
    assert (model["enums"][0]["file"], model["enums"][0]["line"]) == ("types/tone.cdx", 2)
    assert (model["types"][0]["file"], model["types"][0]["line"]) == ("types/text.cdx", 4)
    assert model["messages"][0]["line"] == 10 and "file" not in model["messages"][0]


def test_a_file_is_formatted_without_those_that_it_imports(folder: Path) -> None:
    (folder / "types" / "text.cdx").unlink()
    (folder / "notes.cdx").write_text(MAIN.replace("\n\n", "\n"))
    assert caudexc(folder, "format", "notes.cdx").returncode == 0
    assert (folder / "notes.cdx").read_text() == MAIN
