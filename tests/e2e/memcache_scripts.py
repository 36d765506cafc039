# SPDX-License-Identifier: Apache-2.0
"""Requests that caudexd and memcached must answer with the same bytes, and those they need not.

Each script begins with an empty server. `memcache.Line` says what a line may hold.
"""

from __future__ import annotations

import struct

from memcache import message, response

SAME = {
    "get and set": r"""
        get none
        getk none
        getq none
        getkq none
        set k v
        get k
        getk k opaque=0x01020304
        getq k opaque=0xffffffff
        getkq k
        set k "" flags=0xdeadbeef
        get k
        getk k
        set "a b\\x00\\xff\\r\\n" "\\x00\\x01\\r\\n" flags=1
        get "a b\\x00\\xff\\r\\n"
        set k v flags=0xffffffff
        get k
        set k w
        get k
        get k vbucket=7
        get k cas=5
        setq k x flags=3
        get k
        setq n y
        get n
    """,
    "add and replace": r"""
        add k v flags=1
        add k w flags=2
        get k
        addq k w
        addq n w flags=4
        get n
        replace k x flags=3
        get k
        replace none x
        get none
        replaceq none x
        replaceq k y
        get k
        delete k
        replace k z
        add k z
        get k
    """,
    "versions": r"""
        set k v
        set k w cas=@1
        set k x cas=@1
        get k
        set k x cas=@
        set none x cas=1
        get none
        setq k y cas=@1
        setq none y cas=1
        get k
        setq k z cas=@
        get k
        replace k a cas=@1
        replace k a cas=@
        replace none a cas=@
        replaceq k b cas=@1
        add n b cas=1
        add k b cas=@
        add k b cas=@1
        append k c cas=@1
        get k
        append k c cas=@
        prepend k d cas=@1
        get k
        prepend k d cas=@
        get k
        delete k cas=@1
        deleteq k cas=@1
        get k
        delete k cas=@
        get k
        set n 5
        incr n cas=@1
        get n
        incr n cas=@
        get n
        decr n cas=@
        decrq n cas=@1
        get n
        incr none cas=1
        delete none cas=1
        append none x cas=1
    """,
    "append and prepend": r"""
        append none x
        prepend none x
        appendq none x
        prependq none x
        set k bc flags=7 exp=1000
        append k d
        prepend k a
        get k
        appendq k e
        prependq k _
        get k
        append k ""
        prepend k ""
        get k
        delete none
        deleteq none
        deleteq k
        get k
        set k v
        delete k
        delete k
    """,
    "numbers": r"""
        incr n delta=1 initial=10
        incr n delta=1 initial=10
        get n
        decr n delta=1
        get n
        decr n delta=100
        incr n delta=18446744073709551615
        get n
        incr n delta=1
        incr n delta=2
        decr m delta=1 initial=7
        decr m delta=1 initial=7
        incr none exp=0xffffffff
        decr none exp=0xffffffff
        incrq none exp=0xffffffff
        decrq none exp=0xffffffff
        get none
        incrq q delta=1 initial=3
        incrq q delta=4
        get q
        decrq q delta=2
        get q
        set s abc
        incr s
        decr s
        incrq s
        set s ""
        incr s
        set s 12abc
        incr s
        set s "5 x"
        incr s
        set s " 12"
        incr s
        set s "12 "
        incr s
        set s -1
        incr s
        set s 18446744073709551615
        incr s delta=0
        set s 18446744073709551616
        incr s
        set s 0012
        incr s
        set s 5 flags=9
        incr s delta=0
        incr s delta=20
        append s 0
        incr s
        incr big initial=18446744073709551615
        get big
    """,
    "a number keeps its flags": r"""
        set s 7 flags=9 exp=1000
        incr s
        get s
        decr s delta=5
        get s
    """,
    "when values end": r"""
        set k v exp=1000
        get k
        set k v exp=2592001
        get k
        set k v exp=0xffffffff
        get k
        set k v
        touch k exp=1000
        get k
        touch none exp=1000
        gat k exp=1000
        gat none exp=1000
        gatq k exp=1000
        gatq none exp=1000
        gatk k exp=1000
        gatk none exp=1000
        gatkq k exp=1000
        gatkq none exp=1000
        touch k exp=0
        get k
        gat k exp=2592001
        get k
        set k v
        touch k exp=2592001
        get k
        incr n initial=5 exp=2592001
        get n
        incr n initial=5 exp=1000
        get n
        add k w exp=2592001
        get k
    """,
    "flush": r"""
        flush
        flush delay=0
        flushq
        flushq delay=0
        flush delay=1000
    """,
    "connection": r"""
        noop
        noop opaque=0x12345678
        noop vbucket=3 cas=9
        version
        stat reset
        stat none
    """,
    "unknown opcodes": r"""
        0x1f
        0x20
        0x25
        0x7f
        0xff opaque=5
        0x45
        get none
    """,
}

# What is put together at random. No number becomes shorter, and no value is empty: see DIFFERENT.
RANDOM = """
    get K|getq K|getk K|getkq K|set K V flags=F exp=T|setq K V|add K V flags=F|addq K V exp=T|replace K V exp=T|replaceq K V
    append K V|appendq K V|prepend K V|prependq K V|delete K|deleteq K|touch K exp=T|gat K exp=T|gatq K exp=T|gatk K exp=T
    gatkq K exp=T|set K N|set K N flags=F|incr K delta=D initial=N exp=T|incrq K delta=D exp=0xffffffff|noop|0x7f
    decr K delta=D initial=N exp=T|decrq K delta=D initial=N|incr K delta=D exp=0xffffffff
"""
RANDOM_WORDS = {
    "K": ["a", "b", "/a", "/a/b", '"k\\x00\\r\\n\\xff"', "k" * 250],
    "V": ["v", '"a\\r\\nvalue"', "x" * 3000, "0x1", "12a"],
    "N": ["5000000000000000000", "4999999999999999999", "7777777777777777777"],
    "D": ["0", "1", "9", "100"],
    "F": ["0", "1", "0xdeadbeef"],
    "T": ["0", "0", "1000", "2592001"],
}

LONG_KEY = b"k" * 250


def _mistake(name: str, *parts, **head) -> bytes:
    """A request that is not in order between two that are."""
    return message("noop", opaque=1) + message(name, *parts, **head) + message("noop", opaque=2)


SET_EXTRAS = struct.pack(">II", 0, 0)
COUNT_EXTRAS = struct.pack(">QQI", 1, 0, 0)

# Bytes as they go over the connection, to the end of which the server answers or closes.
SAME_BYTES = {
    "quit": _mistake("quit"),
    "quit, quiet": _mistake("quitq"),
    "quit with a key": _mistake("quit", b"k"),
    "wrong magic": _mistake("noop", magic=0x82),
    "the magic of a response": _mistake("noop", magic=0x81),
    "get without a key": _mistake("get"),
    "get with extras": _mistake("get", b"k", b"", b"\0\0\0\0"),
    "get with a value": _mistake("get", b"k", b"v"),
    "get, quiet, without a key": _mistake("getq"),
    "set without a key": _mistake("set", b"", b"v", SET_EXTRAS),
    "set without extras": _mistake("set", b"k", b"v"),
    "set with short extras": _mistake("set", b"k", b"v", b"\0\0\0\0"),
    "set with long extras": _mistake("set", b"k", b"v", SET_EXTRAS + b"\0"),
    "set, quiet, without extras": _mistake("setq", b"k", b"v"),
    "add without extras": _mistake("add", b"k", b"v"),
    "append with extras": _mistake("append", b"k", b"v", SET_EXTRAS),
    "append without a key": _mistake("append", b"", b"v"),
    "delete without a key": _mistake("delete"),
    "delete with extras": _mistake("delete", b"k", b"", b"\0\0\0\0"),
    "delete with a value": _mistake("delete", b"k", b"v"),
    "incr without extras": _mistake("incr", b"k"),
    "incr with a value": _mistake("incr", b"k", b"v", COUNT_EXTRAS),
    "incr without a key": _mistake("incr", b"", b"", COUNT_EXTRAS),
    "touch without extras": _mistake("touch", b"k"),
    "touch without a key": _mistake("touch", b"", b"", b"\0\0\0\0"),
    "gat without extras": _mistake("gat", b"k"),
    "flush with short extras": _mistake("flush", b"", b"", b"\0\0"),
    "flush with a key": _mistake("flush", b"k"),
    "noop with a key": _mistake("noop", b"k"),
    "noop with a value": _mistake("noop", b"", b"v"),
    "noop with extras": _mistake("noop", b"", b"", b"\0\0\0\0"),
    "version with a key": _mistake("version", b"k"),
    "stat with extras": _mistake("stat", b"", b"", b"\0\0\0\0"),
    "the longest key": message("set", LONG_KEY, b"v", SET_EXTRAS) + message("getk", LONG_KEY)
                       + message("delete", LONG_KEY),
    "a key that is too long": _mistake("get", LONG_KEY + b"k"),
    "a key that is too long to be set": _mistake("set", LONG_KEY + b"k", b"v", SET_EXTRAS),
    "less in all than the key": _mistake("get", b"key", total=2),
    "less in all than extras and key": _mistake("set", b"key", b"", SET_EXTRAS, total=10),
    "less than a head": b"\x80\x00\x00",
    "a text command": b"get k\r\n",
    "nothing": b"",
}

# With real time: what is asked before and behind a pause of PAUSE_S.
PAUSE_S = 3
BEFORE_PAUSE = r"""
    set short v exp=1
    set long v exp=1000
    set longer v exp=1
    touch longer exp=1000
    set shorter v exp=1000
    touch shorter exp=1
    set gone v exp=1000
    gat gone exp=1
    set kept v exp=1
    gat kept exp=0
    set appended 1 exp=1
    append appended 2
    set counted 1 exp=1
    incr counted
    incr first initial=1 exp=1
"""
BEHIND_PAUSE = r"""
    get short
    get long
    get longer
    get shorter
    get gone
    get kept
    get appended
    get counted
    get first
    add short w
    replace shorter w
    append gone w
    touch counted exp=5
    incr first initial=7
"""


def _unknown(opcode: int | str, opaque: int = 0) -> bytes:
    return response(opcode, b"Unknown command", status=0x81, opaque=opaque)


_FLAGS = b"\0\0\0\0"
_FIRST, _SECOND = response("noop", opaque=1), response("noop", opaque=2)

# What is answered otherwise, on purpose: why, what is sent, the responses. Versions count from 1.
DIFFERENT: list[tuple[str, bytes, list[bytes]]] = [
    ("a number that becomes shorter is not filled up with blanks",
     message("set", b"n", b"10", SET_EXTRAS) + message("decr", b"n", b"", COUNT_EXTRAS)
     + message("get", b"n"),
     [response("set", cas=1), response("decr", struct.pack(">Q", 9), cas=2),
      response("get", b"9", extras=_FLAGS, cas=2)]),
    ("a number has no sign",
     message("set", b"n", b"+5", SET_EXTRAS) + message("incr", b"n", b"", COUNT_EXTRAS),
     [response("set", cas=1),
      response("incr", b"Non-numeric server-side value for incr or decr", status=6)]),
    ("a wrong version is told before the value is looked at, also when that is empty",
     message("set", b"n", b"", SET_EXTRAS) + message("incr", b"n", b"", COUNT_EXTRAS, cas=1 << 60),
     [response("set", cas=1), response("incr", b"Data exists for key.", status=2)]),
    ("verbosity is known; memcached takes the next bytes for the rest of it",
     _mistake("verbosity", b"", b"", b"\0\0\0\1"), [_FIRST, response("verbosity"), _SECOND]),
    ("verbosity wants its level",
     _mistake("verbosity"), [_FIRST, response("verbosity", b"Invalid arguments", status=4)]),
    ("what comes with an unknown opcode is passed over once, memcached does it twice",
     _mistake(0x30, b"k", b"v", b"\1\2\3", opaque=7), [_FIRST, _unknown(0x30, 7), _SECOND]),
    ("a mistake in stat is answered before the connection ends",
     _mistake("stat", b"", b"v"), [_FIRST, response("stat", b"Invalid arguments", status=4)]),
    ("a value that will be too large is refused before it has come",
     message("set", b"k", b"", SET_EXTRAS, total=0x7FFFFFFF),
     [response("set", b"Too large.", status=3)]),
    ("values have up to 16 MiB, not 1 MiB",
     message("setq", b"k", b"v" * (2 << 20), SET_EXTRAS) + message("append", b"k", b"w"),
     [response("append", cas=1)]),
    ("items are not counted by their size",
     message("set", b"k", b"v", SET_EXTRAS) + message("stat", b"items"),
     [response("set", cas=1), response("stat")]),
    ("slabs are memcached's own", message("stat", b"slabs"), [response("stat")]),
    ("sizes are not counted", message("stat", b"sizes"), [response("stat")]),
    ("connections are not listed", message("stat", b"conns"), [response("stat")]),
]
