# SPDX-License-Identifier: Apache-2.0
"""Commands that caudexd and redis-server must answer with the same bytes, and those they need not.

Each script begins with an empty server. A word in quotes may hold blanks and \\\\xHH.
"""

from __future__ import annotations

SAME = {
    "get and set": r"""
        GET none
        SET k v
        GET k
        get k
        gEt k
        SET k ""
        GET k
        STRLEN k
        SET "" empty
        GET ""
        SET "a b\\x00\\xff\\r\\n" "\\x00\\x01\\r\\n"
        GET "a b\\x00\\xff\\r\\n"
        SET k v GET
        SET none v XX GET
        GET none
        SET none v XX
        SET k w NX
        SET k w NX GET
        GET k
        SET n w NX
        SET n2 w NX GET
        GET n2
        SET k w XX
        SET k x GET XX
        SET k v EX 100 NX
        SET t v EX 100
        TTL t
        SET t w KEEPTTL
        TTL t
        SET t w
        TTL t
        SET t w PX 100000
        TTL t
        SET t w EXAT 99999999999
        GET t
        SET t w PXAT 99999999999000
        GET t
        SET t w EXAT 1
        GET t
        SET t w PXAT 1 GET
        EXISTS t
    """,
    "mistakes of set": r"""
        SET
        SET k
        SET k v EX
        SET k v EX abc
        SET k v EX 0
        SET k v EX -1
        SET k v PX 0
        SET k v EX 9223372036854775807
        SET k v PX 9223372036854775807
        SET k v PX 9223372036854775808
        SET k v EXAT 0
        SET k v EX 1 PX 1
        SET k v EX 1 EX 2
        TTL k
        SET k v NX XX
        SET k v XX NX
        SET k v NX NX
        SET k v KEEPTTL EX 1
        SET k v EX 1 KEEPTTL
        SET k v PERSIST
        SET k v foo
        SET k v nx get foo
        SET k v EX 1.5
        SET k v EX " 1"
        SETEX k 0 v
        SETEX k abc v
        SETEX k 1
        SETEX k 9223372036854776 v
        PSETEX k -5 v
        PSETEX k 9223372036854775807 v
        SETNX k
        GETSET k
        GETEX
        GETDEL
    """,
    "relatives of set": r"""
        SETEX k 100 v
        TTL k
        PSETEX k 100000 v
        TTL k
        SETNX k x
        SETNX n x
        GET n
        GETSET n y
        GETSET none z
        GET none
        TTL k
        GETSET k w
        TTL k
        GETDEL k
        GETDEL k
        GET k
        SET k v EX 100
        GETEX k
        TTL k
        GETEX k PERSIST
        TTL k
        GETEX k EX 50
        TTL k
        GETEX k PX 50000
        TTL k
        GETEX k EXAT 99999999999
        EXPIRETIME k
        GETEX k PXAT 99999999999000
        PEXPIRETIME k
        GETEX k EX 0
        GETEX k EX
        GETEX k PERSIST EX 1
        GETEX k EX 1 PERSIST
        GETEX k KEEPTTL
        GETEX k NX
        GETEX none EX abc
        GETEX none
        GETEX k EXAT 1
        DBSIZE
        EXISTS k
    """,
    "numbers": r"""
        INCR n
        INCR n
        DECR n
        INCRBY n 10
        DECRBY n 3
        INCRBY n -100
        GET n
        INCRBY n abc
        INCRBY n 1.0
        INCRBY n " 1"
        INCRBY n 01
        INCRBY n +1
        INCRBY n -0
        INCRBY n ""
        SET s abc
        INCR s
        SET s " 1"
        INCR s
        SET s 9223372036854775807
        INCR s
        DECR s
        INCRBY s 2
        SET s -9223372036854775808
        DECR s
        DECRBY s -9223372036854775808
        INCRBY s 9223372036854775807
        SET s 9223372036854775808
        INCR s
        SET s 99999999999999999999
        INCR s
        SET s 000
        INCR s
        SET s ""
        INCR s
        SET t 5 EX 100
        INCR t
        TTL t
        INCR
        INCRBY n
        DECRBY n 1 2
    """,
    "append": r"""
        APPEND k abc
        APPEND k def
        GET k
        APPEND k ""
        STRLEN k
        STRLEN none
        SET k 12 EX 100
        APPEND k 3
        TTL k
        INCR k
        APPEND k
        STRLEN
    """,
    "many": r"""
        MSET a 1 b 2 c 3
        MGET a b none c a
        MGET none
        MGET
        MSET
        MSET a
        MSET a 1 b
        MSETNX a 1
        MSETNX x 1 y 2
        MSETNX z 1 x 2
        MSETNX q 1 q 2
        GET q
        MSETNX
        MSETNX a 1 b
        MGET x y z q
        MSET d 1 d 2
        GET d
        EXISTS a b none a
        EXISTS none
        EXISTS
        DEL a none b
        DEL a
        DEL
        UNLINK c d none
        UNLINK
        DBSIZE
        TYPE x
        TYPE none
        TYPE
        TYPE a b
        FLUSHALL
        DBSIZE
        SET a 1
        FLUSHDB ASYNC
        DBSIZE
        FLUSHALL SYNC
        FLUSHALL foo
        FLUSHALL SYNC SYNC
        RANDOMKEY
        SET only 1
        RANDOMKEY
        RANDOMKEY x
        DBSIZE x
    """,
    "expiry": r"""
        TTL none
        PTTL none
        SET k v
        TTL k
        PTTL k
        EXPIRE k 100
        TTL k
        EXPIRE none 100
        PERSIST k
        PERSIST k
        PERSIST none
        PEXPIRE k 100000
        TTL k
        EXPIREAT k 99999999999
        EXPIRETIME k
        PEXPIRETIME k
        PEXPIREAT k 99999999999500
        EXPIRETIME k
        PEXPIRETIME k
        EXPIRETIME none
        PEXPIRETIME none
        PERSIST k
        EXPIRETIME k
        EXPIRE k 100 XX
        EXPIRE k 90 GT
        EXPIRE k 110 LT
        EXPIRE k 50 GT
        EXPIRE k 50 NX
        EXPIRE k 50 LT
        EXPIRE k 200 GT
        EXPIRE k 300 XX
        EXPIRE k 250 XX GT
        EXPIRE k 400 xx gt
        TTL k
        EXPIRE k 100 NX XX
        EXPIRE k 100 GT LT
        EXPIRE k 100 NX GT
        EXPIRE k 100 foo
        EXPIRE k 100 "fo\\r\\no\\n\\n"
        EXPIRE k abc
        EXPIRE k 9223372036854775807
        EXPIRE k -9223372036854775808
        PEXPIRE k 9223372036854775807
        EXPIRE none 9223372036854775807
        EXPIRE k
        PEXPIRE k 1.5
        EXPIRE k 0
        EXISTS k
        SET k v
        EXPIRE k -1
        EXISTS k
        SET k v
        EXPIREAT k 1
        EXISTS k
        SET k v
        PEXPIREAT k -5
        GET k
        TTL
        PERSIST
    """,
    "keys": r"""
        KEYS *
        MSET hello 1 hallo 2 hxllo 3 hllo 4 heello 5
        KEYS none*
        KEYS hel*o?
        KEYS "hel\\\\*"
        KEYS hello
        KEYS h[e]llo
        KEYS h[^aex]*
        KEYS [
        KEYS ""
        KEYS heel[a-m]o
        KEYS heel[m-a]o
        KEYS h?ello
        KEYS *x*
        KEYS h**x**o
        KEYS
        KEYS a b
    """,
    "scan": r"""
        SCAN 0
        SCAN abc
        SCAN -1
        SCAN " 1"
        SCAN 1x
        SCAN ""
        SCAN 0 COUNT 0
        SCAN 0 COUNT -1
        SCAN 0 COUNT abc
        SCAN 0 COUNT
        SCAN 0 MATCH
        SCAN 0 foo
        SCAN 0 foo bar
        SET k v
        SCAN 0 COUNT 100
        SCAN 0 MATCH k* COUNT 100
        SCAN 0 MATCH x* COUNT 100
        SCAN 0 TYPE string COUNT 100
        SCAN 0 TYPE STRING COUNT 100
        SCAN 0 TYPE hash COUNT 100
        SCAN 0 count 1000 match K
        SCAN
    """,
    "connection": r"""
        PING
        ping
        PING hello
        PING a b
        ECHO hello
        ECHO ""
        ECHO
        ECHO a b
        SELECT 0
        SELECT abc
        SELECT 9999
        SELECT -1
        SELECT 1.5
        SELECT 99999999999
        SELECT 9223372036854775808
        SELECT
        AUTH
        AUTH pass
        AUTH default pass
        AUTH other pass
        AUTH a b c
        HELLO 1
        HELLO 4
        HELLO abc
        HELLO 2 foo
        HELLO 2 AUTH
        HELLO 2 AUTH other x
        HELLO 2 SETNAME
        HELLO 2 SETNAME "a b"
        CLIENT GETNAME
        CLIENT SETNAME name
        CLIENT GETNAME
        CLIENT SETNAME "two words"
        CLIENT SETNAME "line\\n"
        CLIENT SETNAME ""
        CLIENT GETNAME
        CLIENT SETNAME
        CLIENT ID x
        CLIENT LIST TYPE foo
        CLIENT LIST TYPE master
        CLIENT LIST foo
        CLIENT LIST ID
        CLIENT LIST ID abc
        CLIENT LIST ID 0
        CLIENT LIST ID 999999
        CLIENT foo
        CLIENT
        RESET
        RESET x
        TIME x
        COMMAND foo
        CONFIG
        CONFIG foo
        CONFIG GET
        CONFIG GET save
        CONFIG GET appendonly
        CONFIG GET none
        CONFIG GET maxmemory
        CONFIG GET SAVE
        CONFIG GET app*only
        CONFIG RESETSTAT
        CONFIG RESETSTAT x
        COMMAND COUNT x
        COMMAND LIST FILTERBY foo bar
        COMMAND LIST FILTERBY PATTERN none*
        COMMAND INFO none
        COMMAND DOCS none
        COMMAND LIST FILTERBY PATTERN msetn*
    """,
    "unknown": r"""
        FOO
        foo bar
        "f\\r\\no" "a\\r\\nb" "c\\x00d"
        "" x
        "a\\x00b" x
        FOO AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA BBBBBBB
        FOO AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB CCC
        FOO a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    """,
}

# What is put together at random: K a key, V a value, N a number, T a time, F one to come, C a condition of EXPIRE.
RANDOM = """
    GET K|STRLEN K|SET K V|SET K V NX|SET K V XX GET|SET K V GET|SET K V KEEPTTL|SET K V EXAT F|SET K V PXAT F NX
    SETNX K V|GETSET K V|GETDEL K|GETEX K|GETEX K PERSIST|GETEX K EXAT T|APPEND K V|SETEX K 0 V
    INCR K|DECR K|INCRBY K N|DECRBY K N|MGET K K K K|MSET K V K V|MSETNX K V K V|DEL K K|UNLINK K|EXISTS K K K
    TYPE K|EXPIREAT K T C|PEXPIREAT K T C|EXPIRE K -1|PEXPIRE K 0 C|EXPIRETIME K|PEXPIRETIME K|PERSIST K
    DBSIZE|PING V|ECHO V|SET K N|SET K N|SET K V EXAT F KEEPTTL|CLIENT SETNAME name|CLIENT GETNAME
"""
RANDOM_WORDS = {
    "K": [b"", b"a", b"b", b"/a", b"/a/", b"/a/b", b"/a/b/c", b"k\0\r\n\xff", b"k" * 300],
    "V": [b"", b"v", b"a value", b"\r\n", b"x" * 5000, bytes(range(256)), b" 1", b"1 ", b"+1", b"0x1"],
    "N": [b"0", b"1", b"-1", b"-0", b"01", b"42", b"9223372036854775807", b"-9223372036854775808",
          b"9223372036854775808", b"1e3", b"1.0", b""],
    "T": [b"0", b"-1", b"1", b"99999999999", b"99999999998", b"9999999999999", b"9223372036854775807", b"soon"],
    "F": [b"0", b"9999999999998", b"9999999999999", b"9223372036854775807", b"soon"],
    "C": [b"NX", b"XX", b"gt", b"Lt", b"foo"],
}

# Bytes as they go over the connection, up to the end of which the server answers or closes.
SAME_BYTES = {
    "inline": b"PING\r\nSET a 1\nGET a\r\n  GET   a  \r\n\r\n   \r\nECHO \"a\\x41 \\n\\\"\"\r\n"
              b"ECHO 'a\\'b\"c'\r\nECHO a\"b c\"\r\nECHO \"\"\r\nECHO \"\\a\\b\\t\\r\\q\\x4\"\r\n",
    "inline, quotes that stay open": b"PING\r\nECHO \"abc\r\nPING\r\n",
    "inline, quotes with something behind": b"ECHO \"abc\"d\r\nPING\r\n",
    "inline, single quotes that stay open": b"ECHO 'abc\r\n",
    "inline, too long": b"PING\r\n" + b"a" * 70000,
    "empty arrays": b"*0\r\n*-1\r\n*-5\r\n*1\r\n$4\r\nPING\r\n",
    "array length, no number": b"*1\r\n$4\r\nPING\r\n*abc\r\n",
    "array length, empty": b"*\r\n",
    "array length, with a plus": b"*+1\r\n$4\r\nPING\r\n",
    "array length, with a zero before": b"*01\r\n$4\r\nPING\r\n",
    "array length, too large": b"*99999999999\r\n",
    "no bulk string": b"*1\r\nPING\r\n",
    "no bulk string, an integer": b"*1\r\n:1\r\n",
    "no bulk string, in the second place": b"*2\r\n$4\r\nECHO\r\n+OK\r\n",
    "bulk length, no number": b"*1\r\n$abc\r\n",
    "bulk length, negative": b"*1\r\n$-1\r\n",
    "bulk length, empty": b"*1\r\n$\r\n",
    "bulk length, too large": b"*1\r\n$9999999999\r\n",
    "mixed": b"*1\r\n$4\r\nPING\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\nECHO x\r\n",
    "quit": b"PING\r\nQUIT\r\nPING\r\n",
    "quit with arguments": b"QUIT now\r\nPING\r\n",
}

# What is answered otherwise, on purpose: command, the reply, why. Bytes go as they are.
DIFFERENT = [
    ("HELLO 2", b"*14\r\n$6\r\nserver\r\n$7\r\ncaudexd\r\n",
     "the server says its own name and version"),
    ("HELLO 3", b"-NOPROTO unsupported protocol version\r\n", "RESP3 is not spoken"),
    ("SELECT 1", b"-ERR DB index is out of range\r\n", "there is one key space"),
    ("CLIENT SETINFO LIB-NAME test", b"+OK\r\n", "a command of Redis 7.2 that clients send"),
    ("INFO server", b"$", "the sections have fewer fields"),
    ("CLIENT INFO", b"$", "addresses and buffers of clients are not told"),
    ("COMMAND INFO get", b"*1\r\n*10\r\n$3\r\nget\r\n",
     "categories, tips and key specifications are empty"),
    ("COMMAND DOCS get", b"*2\r\n$3\r\nget\r\n*6\r\n",
     "complexity, history and arguments are left out"),
    ("COMMAND GETKEYS GET k", b"-ERR unknown subcommand 'GETKEYS'. Try COMMAND HELP.\r\n",
     "there are only COUNT, DOCS, INFO and LIST"),
    ("CONFIG SET hz 10", b"-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n",
     "options are caudexd's own"),
    ("CONFIG GET databases", b"*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n",
     "there is one key space"),
    ("CLIENT HELP", b"*15\r\n+client <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n",
     "fewer subcommands, and their one-line descriptions"),
    ("LPUSH k v", b"-ERR unknown command 'LPUSH', with args beginning with: 'k' 'v' \r\n",
     "values are strings"),
    ("MULTI", b"-ERR unknown command 'MULTI', with args beginning with: \r\n",
     "no transactions"),
    ("LPM /a/b", b"*-1\r\n", "a command that Redis does not have"),
    ("GETRANGE k 0 1", b"-ERR unknown command 'GETRANGE', with args beginning with: 'k' '0' '1' \r\n",
     "not all commands about strings are there"),
]

# Bytes that are answered otherwise: what is sent, all that comes back, why.
DIFFERENT_BYTES = [
    (b"*" + b"1" * 70000, b"-ERR Protocol error: invalid multibulk length\r\n",
     "a number is refused when it is too large, not when its line is too long"),
    (b"*1\r\n$" + b"1" * 70000, b"-ERR Protocol error: invalid bulk length\r\n",
     "as for the number of strings"),
    (b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
     b"-ERR Protocol error: expected a line end behind a bulk string\r\n",
     "a string ends with its line end, whatever its length says"),
    (b"ECHO a\0b\r\nPING\r\n", b"$1\r\na\r\n+PONG\r\n",
     "an inline command ends at a NUL; Redis looks for no line end behind one"),
]
