# SPDX-License-Identifier: Apache-2.0
"""Nodes to model: every name becomes the thing it stands for."""
from __future__ import annotations

from typing import Any, Iterable, TypeVar

import model as m
import syntax as s
from diagnostics import Note, Report, did_you_mean
from load import Loaded
from resolve_parts import INTEGER, PartResolver, documented, reserved
from source import SourceFile, Span

WIDTHS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
# Words that begin a type, and so name none.
WORDS = frozenset("call bytes rest nothing".split())
PORT_MAX = 65535
VERSION_MAX = 65535
# Stands in for a limit that was not given.
ASSUMED_NBYTES_MAX = 1 << 20

Node = TypeVar("Node")


def resolve(source: SourceFile, loaded: Loaded, report: Report) -> m.Protocol:
    """The model. What had errors is left out and named in `broken`, so that it is told once."""
    return Resolver(source, loaded, report).protocol()


def _only(items: Iterable[s.Item], kind: type[Node]) -> list[Node]:
    return [item for item in items if isinstance(item, kind)]


class Resolver:
    def __init__(self, source: SourceFile, loaded: Loaded, report: Report) -> None:
        self.source = source
        self.items = loaded.items
        self.report = report
        self.broken = set(loaded.unread)
        self.used: set[str] = set()
        self.bytes: dict[str, m.Bytes] = {}
        self.enums: dict[str, m.Enum] = {}
        self.structs: dict[str, m.Struct] = {}
        self.frames: dict[str, m.Frame] = {}
        self.first: dict[str, Span] = {}
        self.version = (0, 0)
        self.is_lost = False  # whether the call at hand uses something that is broken

    def protocol(self) -> m.Protocol:
        heads = _only(self.items, s.ProtocolNode)
        for extra in heads[1:]:
            self.report.error("CDX0301", extra.name.span, "a second protocol",
                              "a description, with all that it imports, is of one protocol",
                              Note(heads[0].name.span, "the first one"))
        if not heads and "protocol" not in self.broken:
            self.report.error("CDX0301", Span(1, 1, 1), "the description has no protocol",
                              "begin with: protocol name 1.0 { endian big; port 7117; }")
        head = self.head(heads[0]) if heads else self.no_head()
        self.version = (head["major"], head["minor"])
        self.types()
        if _only(self.items, s.MessageNode):
            return self.of_messages(head)
        limits = tuple(m.Limit(n.name.text, n.doc.lines, n.name.span, 0)
                       for n in _only(self.items, s.LimitNode) if self.declare(n.name))
        self.bodies()
        frames = [self.frame(f) for f in _only(self.items, s.FrameNode)]
        calls, any_call = self.calls()
        return m.Protocol(
            **head, types=tuple(self.bytes.values()), enums=tuple(self.enums.values()),
            structs=tuple(self.structs.values()), frames=tuple(f for f in frames if f),
            calls=calls, any_call=any_call, limits=limits, used=frozenset(self.used),
            broken=frozenset(self.broken),
        )

    def of_messages(self, head: dict[str, Any]) -> m.Protocol:
        """A protocol that consists of messages: it has neither frames nor calls."""
        for item in self.items:
            if isinstance(item, (s.FrameNode, s.CallNode)):
                at = item.span if isinstance(item, s.CallNode) else item.name.span
                self.report.error("CDX0319", at, "frames and calls beside messages",
                                  "a protocol consists of calls, or of messages")
        structs = [n for n in _only(self.items, s.StructNode) if self.declare(n.name)]
        resolver = PartResolver(self, structs, head["big_endian"])
        for limit in _only(self.items, s.LimitNode):
            if self.declare(limit.name):
                resolver.limit(limit)
        messages = [resolver.message(n) for n in _only(self.items, s.MessageNode)
                    if self.declare(n.name)]
        for node in structs:
            if node.name.text not in resolver.structs:
                used = node.name.text in self.used
                resolver.struct(node.name.text, node.name.span)
                self.used -= set() if used else {node.name.text}
        ordered = [resolver.structs[n.name.text] for n in structs if n.name.text in resolver.structs]
        return m.Protocol(
            **head, types=tuple(self.bytes.values()), enums=tuple(self.enums.values()),
            structs=tuple(ordered), used=frozenset(self.used), broken=frozenset(self.broken),
            limits=tuple(resolver.limits.values()), messages=tuple(messages),
        )

    # ---- the protocol block ----

    def no_head(self) -> dict[str, Any]:
        """Stands in for a protocol block that is missing or could not be read."""
        self.broken.add("protocol")
        return {"source": self.source, "name": "none", "doc": ("None.",), "span": Span(1, 1, 1),
                "major": VERSION_MAX, "minor": 0, "big_endian": True, "port": 1,
                "prefix": "none", "prefix_span": Span(1, 1, 1), "reserved": ()}

    def head(self, node: s.ProtocolNode) -> dict[str, Any]:
        values: dict[str, s.Word | s.Number] = {}
        for key, value in node.properties:
            if key.text not in ("endian", "port", "prefix"):
                self.report.error("CDX0302", key.span, f"the protocol has no property '{key.text}'",
                                  did_you_mean(key.text, ("endian", "port", "prefix")))
            elif key.text in values:
                self.report.error("CDX0302", key.span, f"'{key.text}' is given twice", "remove one")
            values[key.text] = value
        endian, port, prefix = (values.get(k) for k in ("endian", "port", "prefix"))
        if not isinstance(endian, s.Word) or endian.text not in ("big", "little"):
            self.report.error("CDX0302", endian.span if endian else node.name.span,
                              "this is no byte order" if endian else "the byte order is missing",
                              "write: endian big; or endian little;")
        if not isinstance(port, s.Number) or not 1 <= port.value <= PORT_MAX:
            self.report.error("CDX0302", port.span if port else node.name.span,
                              "this is no port" if port else "the default port is missing",
                              f"write: port N; with N from 1 to {PORT_MAX}")
        if isinstance(prefix, s.Number):
            self.report.error("CDX0302", prefix.span, "the prefix of C names is a word",
                              f"write: prefix {node.name.text};")
        if max(node.major, node.minor) > VERSION_MAX:
            self.report.error("CDX0302", node.name.span, "the version is out of range",
                              f"its numbers are at most {VERSION_MAX}")
        return {
            "source": self.source, "name": node.name.text, "doc": node.doc.lines,
            "span": node.name.span, "major": node.major, "minor": node.minor,
            "big_endian": not (isinstance(endian, s.Word) and endian.text == "little"),
            "port": port.value if isinstance(port, s.Number) else 1,
            "prefix": prefix.text if isinstance(prefix, s.Word) else node.name.text,
            "prefix_span": prefix.span if isinstance(prefix, s.Word) else node.name.span,
            "reserved": reserved(node.reserved),
        }

    # ---- life ----

    def life(self, node: s.LifeNode) -> m.Life:
        """What `since` and `deprecated` say."""
        clauses: tuple[tuple[s.Version | s.Text, ...], ...] = (node.since, node.deprecated)
        for found in clauses:
            for extra in found[1:]:
                self.report.error("CDX0202", extra.span, "a second clause of this kind",
                                  "keep one", Note(found[0].span, "the first one"))
        since = None
        for version in node.since[:1]:
            since = (version.major, version.minor)
            if since > self.version:
                self.report.error("CDX0325", version.span,
                                  f"{version.major}.{version.minor} is yet to come",
                                  "this describes version {}.{}: raise that first".format(
                                      *self.version))
        why = node.deprecated[0].value.decode("utf-8", "replace") if node.deprecated else ""
        if node.deprecated and not why.strip():
            self.report.error("CDX0303", node.deprecated[0].span, "deprecated without a reason",
                              'say what to use instead: deprecated "use …"')
        return m.Life(since, why)

    # ---- types and bodies ----

    def declare(self, name: s.Word) -> bool:
        """False, with an error, when the name is taken already."""
        if name.text in WIDTHS or INTEGER.match(name.text) or name.text in WORDS:
            self.report.error("CDX0202", name.span, f"'{name.text}' is a word of the language",
                              "choose another name")
            self.broken.add(name.text)
            return False
        if name.text in self.first:
            self.report.error("CDX0202", name.span, f"'{name.text}' is described twice",
                              "rename or remove one", Note(self.first[name.text], "the first one"))
            return False
        self.first[name.text] = name.span
        return True

    def types(self) -> None:
        for node in _only(self.items, s.TypeNode):
            if self.declare(node.name):
                self.bytes[node.name.text] = self.bytes_type(node)
        for enum in _only(self.items, s.EnumNode):
            if self.declare(enum.name):
                self.enums[enum.name.text] = self.enum(enum)

    def bytes_type(self, node: s.TypeNode) -> m.Bytes:
        width = 0 if node.length.text == "rest" else WIDTHS.get(node.length.text, 8)
        if width == 8:
            self.report.error("CDX0201", node.length.span, f"'{node.length.text}' is no length",
                              "write u8, u16, u32 or rest")
            width = 4
        most, span = ASSUMED_NBYTES_MAX, node.length.span
        if node.max is not None:
            most, span = node.max.value, node.max.span
        else:
            self.report.error("CDX0317", span, f"nothing bounds '{node.name.text}'",
                              f"give its most bytes: bytes<{node.length.text}, max N>")
            most = min(most, (1 << (8 * (width or 4))) - 1)
        return m.Bytes(node.name.text, node.doc.lines, node.name.span, width, most, span)

    def enum(self, node: s.EnumNode) -> m.Enum:
        width = WIDTHS.get(node.base.text)
        if width is None:
            self.report.error("CDX0201", node.base.span, f"'{node.base.text}' is no integer",
                              "write u8, u16, u32 or u64")
        firsts = self.unique([v.name for v in node.values], "value")
        lives = [self.life(v.life) for v in node.values]
        values = tuple(m.EnumValue(v.name.text, documented(v.doc, life), v.name.span, v.value.value,
                                   v.value.span, v.more, life)
                       for v, is_first, life in zip(node.values, firsts, lives) if is_first)
        return m.Enum(node.name.text, node.doc.lines, node.name.span, width or 8, values,
                      node.is_open, node.is_flags, reserved(node.reserved))

    def unique(self, names: list[s.Word], what: str) -> list[bool]:
        """For each name whether it is the first of its kind here; an error where not."""
        seen: dict[str, Span] = {}
        result = []
        for name in names:
            if name.text in seen:
                self.report.error("CDX0202", name.span,
                                  f"the {what} '{name.text}' is given twice",
                                  "rename or remove one", Note(seen[name.text], "the first one"))
            result.append(name.text not in seen)
            seen.setdefault(name.text, name.span)
        return result

    def field(self, node: s.FieldNode) -> m.Field | None:
        name = node.type.text
        life = self.life(node.life)
        found: m.FieldType | None = None
        if name in WIDTHS:
            found = m.Scalar(WIDTHS[name])
        elif name == "call":
            found = m.Selector()
        else:
            found = self.bytes.get(name) or self.enums.get(name)
            self.used.add(name)
        if found is not None:
            return m.Field(node.name.text, documented(node.doc, life), node.name.span, found,
                           node.type.span, node.correlate, life)
        if name in self.first:
            self.report.error("CDX0205", node.type.span, f"'{name}' cannot be a field's type",
                              "a field is an integer, an enum or bytes",
                              Note(self.first[name], "described here"))
        elif name not in self.broken:
            self.report.error("CDX0201", node.type.span, f"there is no type '{name}'",
                              did_you_mean(name, [*WIDTHS, *self.bytes, *self.enums]))
        return None

    def fields(self, owner: str, nodes: tuple[s.FieldNode, ...]) -> tuple[m.Field, ...]:
        firsts = self.unique([n.name for n in nodes], "field")
        fields = []
        for node, is_first in zip(nodes, firsts):
            field = self.field(node) if is_first else None
            if field is not None:
                fields.append(field)
            else:
                self.broken |= {owner, f"{owner}.{node.name.text}"}
        return tuple(fields)

    def plain_fields(self, owner: str, nodes: tuple[s.PartNode, ...]) -> tuple[m.Field, ...]:
        """The fields of a call's body: a name and a type each."""
        plain = []
        for node in nodes:
            kind = node.kind
            if (kind.rule == "named" and kind.name is not None and not kind.word and not
                    (node.values or node.bounds or node.conditions or node.wheres
                         or node.deliveries)):
                plain.append(s.FieldNode(node.doc, node.name, kind.name, node.correlate,
                                         node.life))
                continue
            self.report.error("CDX0318", kind.span, f"'{node.name.text}' cannot stand in a body",
                              "the body of a call has integers, enums and bytes; "
                              "everything else is for messages")
            self.broken |= {owner, f"{owner}.{node.name.text}"}
        return self.fields(owner, tuple(plain))

    def bodies(self) -> None:
        nodes = _only(self.items, s.StructNode)
        firsts = [self.declare(node.name) for node in nodes]
        for node, is_first in zip(nodes, firsts):
            fields = self.plain_fields(f"struct {node.name.text}", node.parts)
            if is_first:
                self.structs[node.name.text] = m.Struct(node.name.text, node.doc.lines,
                                                        node.name.span, fields)

    def frame(self, node: s.FrameNode) -> m.Frame | None:
        fields = self.fields(f"frame {node.name.text}", node.fields)
        if node.name.text not in ("request", "response"):
            self.report.error("CDX0201", node.name.span, f"there is no frame '{node.name.text}'",
                              "a protocol has frame request and frame response")
            self.broken |= {"request", "response"}
            return None
        if not self.declare(node.name):
            return None
        frame = m.Frame(node.name.text, node.doc.lines, node.name.span, fields)
        self.frames[frame.name] = frame
        return frame

    # ---- calls ----

    def calls(self) -> tuple[tuple[m.Call, ...], m.Call | None]:
        nodes = _only(self.items, s.CallNode)
        named = [n for n in nodes if n.name is not None]
        firsts = self.unique([n.name for n in named if n.name], "call")
        any_calls = [n for n in nodes if n.name is None]
        for extra in any_calls[1:]:
            self.report.error("CDX0202", extra.span, "'any call' is described twice",
                              "join the two", Note(any_calls[0].span, "the first one"))
        calls = tuple(self.call(n) for n, is_first in zip(named, firsts) if is_first)
        return calls, self.call(any_calls[0]) if any_calls else None

    def call(self, node: s.CallNode) -> m.Call:
        name = node.name.text if node.name else "any"
        errors = len(self.report.found)
        self.is_lost = False
        clauses = {"request": [o.span for o in node.requests], "row": [o.span for o in node.rows],
                   "response": [r[0].span for r in node.responses]}
        for what, spans in clauses.items():
            for extra in spans[1:]:
                self.report.error("CDX0202", extra, f"'{name}' has a second {what} clause",
                                  "keep one", Note(spans[0], "the first one"))
        request = self.frames.get("request")
        response = self.frames.get("response")
        asks = self.shape(node.requests[0], request, None) if node.requests and request else None
        more = self.more_status(response)
        row = self.shape(node.rows[0], response, more) if node.rows and response else None
        answers = []
        for outcome in node.responses[0] if node.responses else ():
            status = self.status(outcome, response)
            if status is not None and response is not None:
                answers.append(self.shape(outcome, response, status))
        if len(self.report.found) > errors or self.is_lost or not self.statuses(response):
            self.broken.add(f"call {name}")
        life = self.life(node.life)
        return m.Call(name, documented(node.doc, life), node.span,
                      node.number.value if node.number else None,
                      node.number.span if node.number else node.span, asks, row, tuple(answers),
                      life=life)

    def statuses(self, response: m.Frame | None) -> tuple[m.EnumValue, ...]:
        enums = [f.type for f in response.fields if isinstance(f.type, m.Enum)] if response else []
        return enums[0].values if enums else ()

    def more_status(self, response: m.Frame | None) -> m.EnumValue | None:
        return next((v for v in self.statuses(response) if v.more), None)

    def status(self, outcome: s.OutcomeNode, response: m.Frame | None) -> m.EnumValue | None:
        values = self.statuses(response)
        if not values:
            return None
        if outcome.name is None:
            return values[0]
        for value in values:
            if value.name == outcome.name.text:
                return value
        self.report.error("CDX0201", outcome.name.span, f"there is no status '{outcome.name.text}'",
                          did_you_mean(outcome.name.text, [v.name for v in values]))
        return None

    def shape(self, node: s.OutcomeNode, frame: m.Frame, status: m.EnumValue | None) -> m.Shape:
        firsts = self.unique([u.name for u in node.uses], "field")
        uses = [self.use(u, frame) for u, is_first in zip(node.uses, firsts) if is_first]
        self.is_lost = self.is_lost or None in uses
        return m.Shape(frame, status, tuple(u for u in uses if u is not None), node.span)

    def use(self, node: s.UseNode, frame: m.Frame) -> m.Use | None:
        field = self.used_field(node.name, frame)
        if field is None or not isinstance(field.type, m.Bytes):
            return None
        if node.type is None:
            return m.Use(field, field.type, node.name.span)
        name = node.type.text
        self.used.add(name)
        body = self.bytes.get(name) or self.structs.get(name)
        if body is not None:
            return m.Use(field, body, node.type.span)
        if name in self.first or name in WIDTHS:
            self.report.error("CDX0205", node.type.span, f"'{name}' cannot fill a field",
                              "a field of bytes holds a struct or a bytes<rest, …> type")
        elif name not in self.broken:
            self.report.error("CDX0201", node.type.span,
                              f"there is no struct or bytes type '{name}'",
                              did_you_mean(name, [*self.structs, *self.bytes]))
        return None

    def used_field(self, name: s.Word, frame: m.Frame) -> m.Field | None:
        """The frame's bytes field of that name, or None with an error."""
        field = frame.named(name.text)
        if field is None and f"frame {frame.name}.{name.text}" not in self.broken:
            self.report.error("CDX0201", name.span,
                              f"frame {frame.name} has no field '{name.text}'",
                              did_you_mean(name.text, [f.name for f in frame.fields if f.is_bytes]))
        if field is None or field.is_bytes:
            return field
        self.report.error("CDX0310", name.span, f"'{field.name}' is in every {frame.name}",
                          "name only bytes fields: the others always count",
                          Note(field.span, "described here"))
        return None
