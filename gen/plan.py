# SPDX-License-Identifier: Apache-2.0
"""Every decision about the generated C, as plain data that templates only copy out.

A frame on the wire is cut into segments: a run of bytes whose places are known, ended by a
length, and then the bytes that the length counts. For kv's request:

    | type rid key_len | key … | val_len | val … |
      segment 0          bytes   segment 1  bytes

The pieces, and who reads them:

Plan      what a whole output needs: names, enums, structs, frames, calls, shapes
CFrame    one frame: members, segments, the parser's state, the table of what calls allow
Segment   `size` bytes of numbers (`steps`), then the counted field `bytes`, or None at the end;
          `after` is the counted field before it
Step      one number of a segment: how it is loaded, checked and written
Member    one field of a frame or struct, with its C type and its places as C expressions
Shape     one kind of frame of one call (request, row, or an answer by status): one typed encoder
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import model as m
import names

# The parser's own numbers stand before the message's: see CFrame.state.
STATE_NBYTES = 8 + 8 + 8 + 4 + 4 + 1 + 1


@dataclass(frozen=True)
class CType:
    """A named bytes type: becomes a limit."""

    name: str
    NAME: str
    max: int
    line: int


@dataclass(frozen=True)
class CValue:
    name: str
    NAME: str
    value: int
    line: int
    doc: tuple[str, ...]
    more: bool = False     # as a status: more frames follow


@dataclass(frozen=True)
class CEnum:
    name: str
    NAME: str
    width: int
    line: int
    doc: tuple[str, ...]
    values: tuple[CValue, ...]


@dataclass
class Member:
    """A field. `kind` is int or bytes; expressions are relative to the message's first byte."""

    name: str
    NAME: str
    kind: str
    width: int
    order: str
    ctype: str
    line: int
    doc: tuple[str, ...]
    enum: CEnum | None
    min: int = 0
    max: int = 0
    at: int = 0            # place in a struct's fixed part
    start: str = ""        # C: added to the message's offset, where the field begins
    end: str = ""          # C: bytes up to the field's end
    len_end: str = ""      # C: bytes up to the end of its length
    spill_at: str = "0"    # C: where the field begins in the spill
    index: int = 0         # among the frame's bytes fields
    is_final: bool = False  # nothing comes behind it
    place: str = ""        # C: where it begins in the whole frame `message`


@dataclass
class Step:
    name: str
    var: str
    field: str
    FIELD: str
    width: int
    order: str
    at: int
    line: int
    enum: CEnum | None
    is_selector: bool
    checked: bool
    start: str
    of: Member
    ctype: str
    local_ctype: str
    narrow: str
    encode: str
    is_first: bool
    is_last_of_segment: bool = False


@dataclass
class Segment:
    after: Member | None
    steps: list[Step] = field(default_factory=list)
    size: int = 0
    bytes: Member | None = None
    next_size: int = 0


@dataclass(frozen=True)
class CStruct:
    name: str
    NAME: str
    line: int
    doc: tuple[str, ...]
    fields: tuple[Member, ...]
    min: int
    max: int
    fixed: bool
    has_enum: bool


@dataclass(frozen=True)
class StateMember:
    ctype: str
    name: str
    note: str


@dataclass(frozen=True)
class Bound:
    name: str
    min: int
    max: int


@dataclass(frozen=True)
class Row:
    """What one call allows in a request."""

    call: "CCall"
    bounds: tuple[Bound, ...]
    body: CStruct | None


@dataclass(frozen=True)
class BodyOf:
    """The struct in a request's bytes field."""

    call: "CCall"
    struct: CStruct
    line: int
    field: Member
    start: str


@dataclass
class CFrame:
    name: str
    NAME: str
    line: int
    doc: tuple[str, ...]
    fields: list[Member]
    segments: list[Segment]
    bytes_fields: list[Member]
    selector: Member
    correlate: Member
    table: bool
    head: int
    params: str
    args: str
    state: list[StateMember]
    parser_size: int
    reset: list[str]
    left_ctype: str = "uint32_t"
    rows: list[Row] = field(default_factory=list)
    bodies: list[BodyOf] = field(default_factory=list)

    @property
    def members(self) -> list[Member]:
        return self.fields

    @property
    def enums(self) -> list[Member]:
        """Enum fields that an encoder is given: all but the selector."""
        return [x for x in self.fields if x.enum is not None and x is not self.selector]

    @property
    def min(self) -> int:
        return self.head

    @property
    def spill_max(self) -> int:
        """Bytes of one message that are held at most: all its counted fields."""
        return sum(b.max for b in self.bytes_fields)

    @property
    def max(self) -> int:
        return self.head + self.spill_max

    @property
    def end(self) -> str:
        return self.fields[-1].end


@dataclass(frozen=True)
class Part:
    """A bytes field that a shape uses. `struct` is its typed body, or None."""

    field: Member
    struct: CStruct | None
    bytes: CType | None


@dataclass(frozen=True)
class AnswerBody:
    """A typed body of an answer, and the field that it stands in."""

    struct: CStruct
    field: Member

    @property
    def NAME(self) -> str:
        return f"{self.field.NAME}_{self.struct.NAME}"


@dataclass
class CShape:
    call: "CCall"
    frame: CFrame
    status: CValue | None   # None: the request
    line: int
    first: bool             # of its call
    func: str
    params: str
    args: str
    size_params: str
    size_expr: str
    checks: list[str]
    parts: list[Part]
    struct: CStruct | None
    body: str
    behind: str             # C: bytes behind the body, to find its place from the frame's end
    inline: bool
    more: bool              # more frames follow this one
    # For the client, which gives out the correlate itself.
    call_params: str = ""
    call_args: str = ""
    size_args: str = ""
    handed_on: str = ""     # the parameters, passed to another function

    @property
    def answer_body(self) -> AnswerBody | None:
        typed = (AnswerBody(p.struct, p.field) for p in self.parts if p.struct is not None)
        return next(typed, None)

    def limit_of(self, field: Member) -> str:
        """C: most bytes of that field in this kind of frame."""
        part = next((p for p in self.parts if p.field is field), None)
        if part is None:
            return "0u"
        return f"{part.struct.max if part.struct else part.bytes.max if part.bytes else 0}u"


@dataclass(frozen=True)
class CCall:
    name: str
    NAME: str
    number: int | None
    line: int
    doc: tuple[str, ...]
    shapes: list[CShape] = field(default_factory=list, compare=False, repr=False)

    @property
    def member(self) -> str:
        """The call's name as a member of a struct."""
        return names.member(self.name)

    @property
    def request(self) -> CShape | None:
        return next((s for s in self.shapes if s.status is None), None)

    @property
    def answers(self) -> list[CShape]:
        return [s for s in self.shapes if s.status is not None]

    @property
    def has_rows(self) -> bool:
        return any(s.more for s in self.answers)


@dataclass(frozen=True)
class FieldName:
    id: str
    text: str


@dataclass(frozen=True)
class Plan:
    name: str
    NAME: str
    doc: tuple[str, ...]
    prefix: str
    PREFIX: str
    major: int
    minor: int
    port: int
    source: str
    sha256: str
    big_endian: bool
    types: list[CType]
    enums: list[CEnum]
    structs: list[CStruct]
    frames: list[CFrame]
    calls: list[CCall]
    any: list[CCall]
    shapes: list[CShape]
    field_names: list[FieldName]
    model: m.Protocol

    @property
    def request(self) -> CFrame:
        return next(f for f in self.frames if f.name == "request")

    @property
    def response(self) -> CFrame:
        return next(f for f in self.frames if f.name == "response")

    @property
    def given_enums(self) -> list[str]:
        """Names of the enums that encoders are given: in bodies, and in frames."""
        in_bodies = [x.enum.name for s in self.structs for x in s.fields if x.enum is not None]
        return in_bodies + [x.enum.name for f in self.frames for x in f.enums if x.enum is not None]

    @property
    def status(self) -> CEnum:
        """The enum that says what an answer's frame is."""
        assert self.response.selector.enum is not None
        return self.response.selector.enum

    @property
    def answer_structs(self) -> list[CStruct]:
        """Every typed body that an answer can have, once each."""
        used = {s.struct.name for s in self.shapes if s.status is not None and s.struct is not None}
        return [s for s in self.structs if s.name in used]

    @property
    def answer_bodies(self) -> list[AnswerBody]:
        """Every typed body with the field that it stands in, once each."""
        bodies: list[AnswerBody] = []
        for shape in self.shapes:
            body = shape.answer_body
            if shape.status is not None and body is not None and body not in bodies:
                bodies.append(body)
        return bodies

    def answers_text(self, call: CCall) -> list[str]:
        """One line for each kind of frame that answers the call, for its documentation."""
        enum = f"{self.PREFIX}_{self.status.NAME}"
        lines = []
        for shape in call.answers:
            used = [f"body.{part.struct.name}" if part.struct else part.field.name
                    for part in shape.parts]
            name = f"{enum}_{shape.status.NAME if shape.status else ''}"
            told = " (to `row`)" if shape.more else ""
            lines.append(f"{name}{told}: {', '.join(used) or 'no fields'}.")
        return lines

    @property
    def unasked_text(self) -> Member | None:
        """The field with text for people in frames that answer no request."""
        parts = [part for call in self.any for shape in call.shapes for part in shape.parts]
        return next((part.field for part in parts if part.bytes is not None), None)

    @property
    def rid_max(self) -> int:
        """The largest RID that a client gives out; one value above it tells wider fields apart."""
        width = self.response.correlate.width
        return (1 << (8 * width)) - 1 if width <= 4 else 0xFFFFFFFE


def make_plan(protocol: m.Protocol) -> Plan:
    """The plan of a checked protocol."""
    return _Planner(protocol).plan()


class _Planner:
    def __init__(self, protocol: m.Protocol) -> None:
        self.protocol = protocol
        self.order = "be" if protocol.big_endian else "le"
        self.prefix = protocol.prefix
        self.PREFIX = names.upper(protocol.prefix)
        self.types = {t.name: CType(t.name, names.upper(t.name), t.max, t.span.line)
                      for t in protocol.types}
        self.enums = {e.name: self.enum(e) for e in protocol.enums}
        self.structs = {s.name: self.struct(s) for s in protocol.structs}

    def plan(self) -> Plan:
        p = self.protocol
        frames = [self.frame(f) for f in p.frames]
        by_name = {f.name: f for f in frames}
        calls = [CCall(c.name, names.upper(c.name), c.number, c.span.line, c.doc) for c in p.calls]
        any_calls = []
        if p.any_call is not None:
            any_calls.append(CCall("any", "ANY", None, p.any_call.span.line, p.any_call.doc))
        models = [*p.calls, *([p.any_call] if p.any_call else [])]
        for call, source in zip([*calls, *any_calls], models):
            shapes = ([source.request] if source.request else []) + list(source.answers)
            for shape in shapes:
                call.shapes.append(self.shape(call, shape, by_name[shape.frame.name]))
        for call, source in zip(calls, p.calls):
            self.allow(call, source, by_name["request"])
        return Plan(
            p.name, names.upper(p.name), p.doc, self.prefix, self.PREFIX, p.major, p.minor, p.port,
            p.source.name, hashlib.sha256(p.source.whole.encode("utf-8")).hexdigest(), p.big_endian,
            list(self.types.values()), list(self.enums.values()), list(self.structs.values()),
            frames, calls, any_calls, [s for c in [*calls, *any_calls] for s in c.shapes],
            self.field_names(frames), p,
        )

    def field_names(self, frames: list[CFrame]) -> list[FieldName]:
        in_frames = [FieldName(f"{f.NAME}_{x.NAME}", x.name) for f in frames for x in f.fields]
        in_bodies = [FieldName(f"{s.NAME}_{x.NAME}", f"{s.name}.{x.name}")
                     for s in self.structs.values() for x in s.fields]
        return in_frames + in_bodies

    def enum(self, e: m.Enum) -> CEnum:
        values = tuple(CValue(v.name, names.upper(v.name), v.value, v.span.line, v.doc, v.more)
                       for v in e.values)
        return CEnum(e.name, names.upper(e.name), e.width, e.span.line, e.doc, values)

    def member(self, f: m.Field) -> Member:
        kind = "bytes" if f.is_bytes else "int"
        enum = self.enums[f.type.name] if isinstance(f.type, m.Enum) else None
        most = f.type.max if isinstance(f.type, m.Bytes) else 0
        return Member(f.name, names.upper(f.name), kind, f.type.width, self.order,
                      names.unsigned(f.type.width) if f.type.width else "size_t",
                      f.span.line, f.doc, enum, 0, most)

    def struct(self, s: m.Struct) -> CStruct:
        members = tuple(self.member(f) for f in s.fields)
        at = 0
        for member in members:
            member.at = at
            at += member.width
        return CStruct(s.name, names.upper(s.name), s.span.line, s.doc, members, s.min, s.max,
                       s.min == s.max, any(x.enum for x in members))

    # ---- frames ----

    def frame(self, f: m.Frame) -> CFrame:
        members = [self.member(x) for x in f.fields]
        table = any(isinstance(x.type, m.Selector) for x in f.fields)
        segments = self.segments(f, members)
        counted = [x for x in members if x.kind == "bytes"]
        if segments[-1].bytes is not None:
            segments[-1].bytes.is_final = True
        gathered = max(4, *(x.width for x in members))
        own = [("uint64_t", "offset", "stream bytes taken"),
               ("uint64_t", "begin", "where the message began"),
               ("uint64_t", "error_at", "offset of the error"),
               (names.unsigned(gathered), "acc", "a number that is being read"),
               ("int", "cs", "Ragel's state"),
               ("uint32_t", "left", "what is missing of a counted field")]
        taken = [(x.ctype, x.name if x.kind == "int" else f"{x.name}_len", "") for x in members]
        taken.sort(key=lambda t: -int(t[0][4:-2]))
        state = own + taken + [("uint8_t", "field", "of the error"),
                               ("uint8_t", "reason", "of the error; 0: none")]
        size = STATE_NBYTES + gathered + sum(x.width for x in members)
        by_name = {x.name: x for x in members}
        return CFrame(
            f.name, names.upper(f.name), f.span.line, f.doc, members, segments, counted,
            by_name[f.selector.name], by_name[f.correlate.name], table, f.head,
            "".join(f", struct cdx_bytes {x.name}" if x.kind == "bytes" else f", {x.ctype} {x.name}"
                    for x in members),
            "".join(f", {x.name}" for x in members), [StateMember(*s) for s in state],
            (size + 7) // 8 * 8, [t[1] for t in taken],
        )

    def segments(self, f: m.Frame, members: list[Member]) -> list[Segment]:
        segments = [Segment(None)]
        fixed = 0
        counted: list[Member] = []

        def lengths() -> str:
            return "".join(f" + s->{x.name}_len" for x in counted)

        def end() -> str:
            return f"(uint64_t){fixed}{lengths()}" if counted else f"{fixed}u"

        for source, member in zip(f.fields, members):
            segment = segments[-1]
            member.start = (f" + {fixed}u" if fixed else "") + lengths()
            member.place = f"{fixed}u" + "".join(f" + message->{x.name}.len" for x in counted)
            segment.steps.append(self.step(source, member, segment.size, member is members[0]))
            segment.size += member.width
            fixed += member.width
            if member.kind == "bytes":
                member.index = len(counted)
                member.len_end = end()
                member.spill_at = " + ".join(f"(size_t)s->{x.name}_len" for x in counted) or "0"
                segment.bytes = member
                counted.append(member)
                segments.append(Segment(member))
            member.end = end()
        if not segments[-1].steps:
            segments.pop()
        for segment, following in zip(segments, segments[1:]):
            segment.next_size = following.size
        for segment in segments:
            segment.steps[-1].is_last_of_segment = True
        return segments

    def step(self, source: m.Field, member: Member, at: int, is_first: bool) -> Step:
        is_bytes = member.kind == "bytes"
        var = f"{member.name}_len" if is_bytes else member.name
        local = names.unsigned(max(4, member.width)) if is_bytes else member.ctype
        is_selector = isinstance(source.type, m.Selector)
        return Step(
            var, var, member.name, member.NAME, member.width, member.order, at, member.line,
            member.enum,
            is_selector, is_bytes or is_selector or member.enum is not None, member.start, member,
            member.ctype, local, f"({member.ctype})" if local != member.ctype else "",
            f"({member.ctype}){member.name}.len" if is_bytes else member.name, is_first,
        )

    def allow(self, call: CCall, source: m.Call, frame: CFrame) -> None:
        """The call's row of the request's table."""
        assert source.request is not None
        bounds = []
        body = None
        for counted in frame.bytes_fields:
            use = source.request.use(counted.name)
            bounds.append(Bound(counted.name, use.min if use else 0, use.max if use else 0))
            if use is not None and isinstance(use.body, m.Struct):
                body = self.structs[use.body.name]
                start = " + " + counted.len_end
                frame.bodies.append(BodyOf(call, body, use.span.line, counted, start))
        # The parser's wide path relies on it.
        assert body is not None or all(b.min == 0 for b in bounds)
        frame.rows.append(Row(call, tuple(bounds), body))

    # ---- shapes ----

    def shape(self, call: CCall, source: m.Shape, frame: CFrame) -> CShape:
        status = source.status.name if source.status else "request"
        value = None
        if source.status is not None:
            enum = frame.selector.enum
            assert enum is not None
            value = next(v for v in enum.values if v.name == source.status.name)
        parts = [self.part(x, source) for x in frame.bytes_fields]
        shape = CShape(
            call, frame, value, source.span.line, not call.shapes,
            names.join(self.prefix, call.name, status), "", "", "", "", [], [p for p in parts if p],
            None, "", "", True, bool(source.status and source.status.more),
        )
        self.signature(shape, {p.field.name: p for p in parts if p})
        return shape

    def part(self, member: Member, source: m.Shape) -> Part | None:
        use = source.use(member.name)
        if use is None:
            return None
        if isinstance(use.body, m.Struct):
            return Part(member, self.structs[use.body.name], None)
        return Part(member, None, self.types[use.body.name])

    def signature(self, shape: CShape, parts: dict[str, Part]) -> None:
        """The typed encoder: its parameters, what it checks, and what it hands on."""
        frame = shape.frame
        params, args, sizes = [], [], []
        call_params, call_args, size_args = [], [], []
        size_terms = [f"{self.PREFIX}_{frame.NAME}_HEAD_NBYTES"]
        for x in frame.fields:
            part = parts.get(x.name)
            if x is frame.selector:
                enum = frame.selector.enum
                args.append(f"{self.PREFIX}_{enum.NAME}_{shape.status.NAME}" if enum and shape.status
                            else f"{self.PREFIX}_CALL_{shape.call.NAME}")
            elif x.kind == "int":
                params.append(f"{x.ctype} {x.name}")
                args.append(x.name)
                call_args.append(f"({x.ctype})mark" if x is frame.correlate else x.name)
                call_params += [] if x is frame.correlate else [params[-1]]
            elif part is None:
                args.append("cdx_empty()")
            elif part.struct is not None:
                c_type = f"const struct {self.prefix}_{part.struct.name} *{x.name}"
                shape.struct, shape.body, shape.inline = part.struct, x.name, False
                params.append(c_type)
                sizes.append(c_type)
                call_params.append(c_type)
                call_args.append(x.name)
                size_args.append(x.name)
                args.append("cdx_bytes_of(NULL, nbytes)")
                size_terms.append(f"{self.prefix}_{part.struct.name}_size({x.name})")
            else:
                assert part.bytes is not None
                params.append(f"struct cdx_bytes {x.name}")
                sizes.append(f"size_t {x.name}_len")
                call_params.append(params[-1])
                call_args.append(x.name)
                size_args.append(f"{x.name}.len")
                args.append(x.name)
                size_terms.append(f"{x.name}_len")
                shape.checks.append(f"{x.name}.len > {self.PREFIX}_{part.bytes.NAME}_NBYTES_MAX")
        if shape.struct is not None:
            shape.behind = self.behind(frame, shape.body, parts)
        shape.params = "".join(f", {x}" for x in params)
        shape.args = "".join(f", {x}" for x in args)
        shape.call_params = "".join(f", {x}" for x in call_params)
        shape.call_args = "".join(f", {x}" for x in call_args)
        shape.size_args = ", ".join(size_args)
        shape.handed_on = "".join(f", {x}" for x in call_args if not x.endswith(")mark"))
        shape.size_params = ", ".join(sizes) or "void"
        shape.size_expr = " + ".join(size_terms)

    def behind(self, frame: CFrame, body: str, parts: dict[str, Part]) -> str:
        """C: minus what stands behind the body, up to the frame's end."""
        terms = ""
        seen = False
        for x in frame.fields:
            if seen:
                terms += f" - {x.width}"
                terms += f" - {x.name}.len" if x.kind == "bytes" and x.name in parts else ""
            seen = seen or x.name == body
        return terms
