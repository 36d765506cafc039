# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` leaves behind, used by a project that has nothing else of Caudex."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = Path(os.environ["CAUDEX_BUILD"])
CMAKE = os.environ["CMAKE"]
CC = os.environ["CC"]
TIMEOUT_S = 120
GENERATORS = {"ninja": "Ninja", "make": "Unix Makefiles"}
COUNTED = "apples = 7\npears = 4\n"


def run(*command: object, cwd: "Path | None" = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in command], cwd=cwd, env={**os.environ, **environment},
                          capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def done(*command: object, cwd: "Path | None" = None, **environment: str) -> str:
    """What a command that succeeds prints."""
    ran = run(*command, cwd=cwd, **environment)
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    return ran.stdout


@pytest.fixture(name="prefix", scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An install tree that was put together for another place, then moved to one with a space in its name."""
    stage = tmp_path_factory.mktemp("stage")
    done(CMAKE, "--install", BUILD, "--prefix", "/opt/caudex", DESTDIR=str(stage))
    moved = tmp_path_factory.mktemp("moved") / "to here"
    (stage / "opt" / "caudex").rename(moved)
    return moved


def configure(prefix: Path, build: Path, *options: object, source: Path = HERE,
              generator: str = "Ninja", **environment: str) -> "subprocess.CompletedProcess[str]":
    return run(CMAKE, "-S", source, "-B", build, "-G", generator, f"-DCMAKE_PREFIX_PATH={prefix}",
               f"-DCMAKE_C_COMPILER={CC}", *options, **environment)


def talk(build: Path) -> None:
    assert done(build / "counter_talk") == COUNTED
    assert done(build / "sensor_talk") == "offset 27, every: never is no interval\n"
    with subprocess.Popen([build / "counter_talk", "serve", "1"], stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        assert done(build / "counter_uv", f"127.0.0.1:{port}") == "plums = 5\n"
        assert server.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize("kind", [
    pytest.param(kind, marks=pytest.mark.skipif(shutil.which(kind) is None, reason=f"{kind} is not installed"))
    for kind in GENERATORS])
def test_a_project_builds_and_talks(prefix: Path, tmp_path: Path, kind: str) -> None:
    ran = configure(prefix, tmp_path, generator=GENERATORS[kind])
    assert ran.returncode == 0, ran.stderr
    done(CMAKE, "--build", tmp_path, "-j2")
    talk(tmp_path)


# ---- what is made anew, and when ----

@pytest.fixture(name="project")
def own_project(tmp_path: Path) -> Path:
    """A copy of the project, to change."""
    project = tmp_path / "project"
    shutil.copytree(HERE, project, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return project


def built(build: Path) -> str:
    return done(CMAKE, "--build", build, "-j2", "--target", "counter", "sensor_talk")


def test_what_depends_on_a_changed_description_is_made_anew_and_nothing_else(
        prefix: Path, project: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    assert configure(prefix, build, source=project).returncode == 0
    built(build)
    assert "no work to do" in built(build)

    types = project / "counter_types.cdx"
    types.write_text(types.read_text().replace("max 40", "max 41"))
    again = built(build)
    assert "Generating counter from counter.cdx" in again and "sensor" not in again
    header = (build / "generated/counter/include/caudex/counter.h").read_text()
    assert re.search(r"COUNTER_NAME_NBYTES_MAX 41u", header)
    assert "no work to do" in built(build)

    types.write_text("// Only a comment more.\n" + types.read_text())
    assert "no work to do" in built(build) or "no work to do" in built(build)


@pytest.mark.parametrize("file", ["counter.cdx", "counter_types.cdx"])
def test_a_mistake_stops_the_build_with_its_place(prefix: Path, project: Path, tmp_path: Path, file: str) -> None:
    build = tmp_path / "build"
    assert configure(prefix, build, source=project).returncode == 0
    described = project / file
    text = described.read_text()
    described.write_text(text + "\n/// A mistake.\ntype wrong = bytes<u99, max 3>;\n")
    line = described.read_text().splitlines().index("type wrong = bytes<u99, max 3>;") + 1
    ran = run(CMAKE, "--build", build, "--target", "counter")
    assert ran.returncode != 0
    assert f"{file}:{line}:20: error[CDX0201]: 'u99' is no length\n" in ran.stdout + ran.stderr
    described.write_text(text)
    done(CMAKE, "--build", build, "--target", "counter")


# ---- without CMake ----

def shell(prefix: Path, line: str, cwd: Path) -> str:
    return done("sh", "-euc", line, cwd=cwd, PKG_CONFIG_PATH=str(next(prefix.rglob("pkgconfig"))))


def test_a_cc_line_with_pkg_config(prefix: Path, tmp_path: Path) -> None:
    for word in ("counter_talk.c", "counter_server.c", "counter_server.h", "counter.cdx", "counter_types.cdx"):
        shutil.copy(HERE / word, tmp_path)
    shell(prefix, f"""
        eval $(pkg-config --variable=caudexc caudex) build counter.cdx --out made
        (cd made && ragel -C -G2 counter_request.rl && ragel -C -G2 counter_response.rl)
        flags=$(pkg-config --cflags --libs caudex)
        eval {CC} -Imade/include counter_talk.c counter_server.c made/counter_*.c $flags -o talk
        """, tmp_path)
    assert done(tmp_path / "talk") == COUNTED


def test_the_example_of_the_readme_compiles(prefix: Path, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "example.c").write_text(re.search(r"^```c\n(.*?)^```$", readme, re.M | re.S).group(1))
    (tmp_path / "DIR").symlink_to(prefix)
    shell(prefix, re.search(r"^`(cc example.c .*)`$", readme, re.M).group(1), tmp_path)


def test_plain_c_from_what_is_installed(prefix: Path, tmp_path: Path) -> None:
    caudexc = prefix / "bin" / "caudexc"
    done(caudexc, "build", HERE / "sensor.cdx", "--bundle", tmp_path / "made")
    done("sh", "-c", f"{CC} -I. *.c {HERE / 'sensor_talk.c'} -o talk", cwd=tmp_path / "made")
    done(tmp_path / "made" / "talk")


# ---- the tree itself ----

def test_nothing_installed_knows_where_it_was_built(prefix: Path) -> None:
    # Libraries and programs have debugging information, which does know.
    texts = [path for path in prefix.rglob("*") if path.is_file() and path.suffix != ".a"
             and path.read_bytes()[:4] != b"\x7fELF"]
    assert len(texts) > 50
    for path in texts:
        assert not any(str(place) in path.read_text() for place in (ROOT, BUILD)), path


def test_programs_and_their_pages_are_installed(prefix: Path) -> None:
    for program, section in (("bin/caudex", 1), ("bin/caudexc", 1), ("sbin/caudexd", 8)):
        assert re.match(rf"{Path(program).name} \d+\.\d+\.\d+", done(prefix / program, "--version"))
        page = prefix / f"share/man/man{section}" / f"{Path(program).name}.{section}"
        assert page.read_text().startswith(".")
    assert len(list(prefix.rglob("caudexd.service"))) == 1


def test_the_generated_python_module_works_with_the_installed_package(prefix: Path, tmp_path: Path) -> None:
    done(prefix / "bin" / "caudexc", "build", HERE / "sensor.cdx", "--out", tmp_path)
    package = next(prefix.rglob("caudex/__init__.py")).parents[1]
    said = done(sys.executable, "-B", "-c", "import sensor; print(sensor.Order(b'go', 5).encode())",
                PYTHONPATH=f"{package}{os.pathsep}{tmp_path / 'python'}")
    assert said == "b'go 5\\r\\n'\n"


# ---- what is missing or wrong is said ----

@pytest.mark.parametrize(("options", "environment", "said"), [
    (["-DRAGEL=/bin/true"], {}, "RAGEL='/bin/true' is not Ragel 6."),
    (["-DRAGEL=/no/ragel"], {}, "apt-get install ragel"),
    (["-DGEN_PYTHON=/bin/false"], {}, "no Python >= 3.9 that imports jinja2 and lark"),
    ([], {"PKG_CONFIG_LIBDIR": "/nowhere", "PKG_CONFIG_PATH": ""}, "the component uv needs libuv"),
], ids=["ragel", "no-ragel", "python", "libuv"])
def test_what_is_missing_is_said(prefix: Path, tmp_path: Path, options: "list[str]",
                                 environment: "dict[str, str]", said: str) -> None:
    ran = configure(prefix, tmp_path, *options, **environment)
    assert ran.returncode != 0
    assert said in " ".join(ran.stderr.split())


@pytest.mark.parametrize(("line", "said"), [
    ("find_package(Caudex 2.0 CONFIG REQUIRED)", "requested version \"2.0\""),
    ("find_package(Caudex CONFIG REQUIRED COMPONENTS tls)", "there is no component 'tls', only generator and uv"),
    ("caudex_add_protocol(mine)", "incorrect arguments for function named: caudex_add_protocol"),
    ("caudex_add_protocol(mine counter.cdx NAMES x)", "usage: caudex_add_protocol(TARGET DESCRIPTION.cdx"),
    ("caudex_add_protocol(mine nowhere.cdx)", "nowhere.cdx: error[CDX0101]"),
    ("caudex_add_protocol(counter counter.cdx)", "there is a target 'counter' already"),
], ids=["version", "component", "arguments", "option", "file", "twice"])
def test_mistakes_in_a_project_are_said(prefix: Path, project: Path, tmp_path: Path, line: str, said: str) -> None:
    lists = project / "CMakeLists.txt"
    text = lists.read_text()
    changed = re.sub(r"find_package\(Caudex.*", line, text)
    lists.write_text(changed if line.startswith("find_package") else f"{text}{line}\n")
    ran = configure(prefix, tmp_path / "build", source=project)
    assert ran.returncode != 0
    assert said in " ".join(ran.stderr.split())
