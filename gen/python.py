# SPDX-License-Identifier: Apache-2.0
"""What the generated Python client shows: its names, and its declarations as Python."""
from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import Iterable

import model as m
from cli import Failure

# What the module uses for itself.
_TAKEN = frozenset(
    """
    Allowed AsyncClient AsyncRows Body BodyLayout CallType ClassVar Client Counted Failure Frame
    FrameLayout IntEnum Number Optional Pending Pipeline Protocol Rest Rows Shape StatusError Union
    dataclass
    AsyncClientBase ClientBase PipelineBase
    """.split()
) | set(keyword.kwlist)
# What a method's parameters must not be called.
_PARAMETERS_TAKEN = frozenset(["self", "bytes", "int"]) | set(keyword.kwlist)
# What every client or pipeline has besides its calls.
_METHODS_TAKEN = frozenset(
    ["connect", "close", "timeout", "pipeline", "wait", "bytes"]) | set(keyword.kwlist)
# What every error, frame or body has besides its fields; errors.py knows those of errors, too.
_FIELDS_TAKEN = frozenset(
    "LAYOUT encode decode call fields status args with_traceback add_note bytes".split()
) | set(keyword.kwlist)


@dataclass(frozen=True)
class PyValue:
    name: str
    value: int
    doc: str


@dataclass(frozen=True)
class PyEnum:
    name: str
    doc: str
    values: tuple[PyValue, ...]


@dataclass(frozen=True)
class PyField:
    """A field of a class; `layout` declares it to the runtime."""

    name: str
    type: str
    doc: str
    layout: str = ""


@dataclass(frozen=True)
class PyClass:
    """A frame, a body, what an answer holds, or an error."""

    name: str
    doc: str
    fields: tuple[PyField, ...]
    source: str = ""        # the name in the description
    status: str = ""        # of an error


@dataclass(frozen=True)
class PyShape:
    status: str
    parts: str
    make: str
    type: str


@dataclass(frozen=True)
class PyParameter:
    name: str
    type: str


@dataclass(frozen=True)
class PyCall:
    """A call; `values` are the request frame's, as expressions of the parameters."""

    method: str
    constant: str
    name: str
    member: str
    number: int
    doc: str
    parameters: tuple[PyParameter, ...]
    values: str
    row: PyShape | None
    end: PyShape
    failures: tuple[PyShape, ...]
    allowed: str

    @property
    def signature(self) -> str:
        return "".join(f", {p.name}: {p.type}" for p in self.parameters)

    @property
    def plain_signature(self) -> str:
        return ", ".join(f"{p.name}: {p.type}" for p in self.parameters)

    @property
    def arguments(self) -> str:
        return ", ".join(p.name for p in self.parameters)

    @property
    def types(self) -> str:
        return f"{self.row.type if self.row else 'None'}, {self.end.type}"


@dataclass(frozen=True)
class PyModule:
    order: str
    call_enum: str
    status_enum: str
    enums: tuple[PyEnum, ...]
    bodies: tuple[PyClass, ...]
    frames: tuple[PyClass, ...]
    answers: tuple[PyClass, ...]
    errors: tuple[PyClass, ...]
    calls: tuple[PyCall, ...]
    unasked: tuple[PyShape, ...]
    more: str
    request: str
    response: str
    exported: tuple[str, ...]


def make_python(protocol: m.Protocol) -> PyModule:
    """Everything the client's template shows."""
    return _Maker(protocol).module()


class _Maker:
    def __init__(self, protocol: m.Protocol) -> None:
        self.protocol = protocol
        self.taken = set(_TAKEN)
        status = protocol.response.selector.type
        assert isinstance(status, m.Enum)
        self.status = status
        self.classes: dict[str, str] = {}
        for name in (*(e.name for e in protocol.enums), *(s.name for s in protocol.structs),
                     *(f.name for f in protocol.frames)):
            self.classes[name] = self.unique(class_name(name))
        self.call_enum = self.unique("Call")
        self.success = next(iter(status.values))
        self.errors = {v.name: self.unique(class_name(v.name)) for v in status.values
                       if v is not self.success and not v.more and self.shapes_of(v)}
        self.answers: list[PyClass] = []

    def unique(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def module(self) -> PyModule:
        p = self.protocol
        calls = tuple(self.call(c) for c in p.calls)
        unasked = tuple(self.shape(s) for s in p.any_call.answers) if p.any_call else ()
        more = ", ".join(self.status_of(v) for v in self.status.values if v.more)
        bodies = tuple(self.body(s) for s in p.structs)
        frames = tuple(self.frame(f) for f in p.frames)
        errors = tuple(self.error(v) for v in self.status.values if v.name in self.errors)
        enums = (*(self.enum(e) for e in p.enums), self.calls_enum())
        exported = sorted(["Client", "AsyncClient", "Pipeline", *(e.name for e in enums),
                           *(c.name for c in (*bodies, *frames, *self.answers, *errors))])
        return PyModule(">" if p.big_endian else "<", self.call_enum,
                        self.classes[self.status.name], enums, bodies, frames, tuple(self.answers),
                        errors, calls, unasked, more, self.classes[p.request.name],
                        self.classes[p.response.name], tuple(exported))

    # ---- classes ----

    def enum(self, e: m.Enum) -> PyEnum:
        values = tuple(PyValue(v.name.upper(), v.value, docstring(v.doc, 1)) for v in e.values)
        return PyEnum(self.classes[e.name], docstring(e.doc, 1), values)

    def calls_enum(self) -> PyEnum:
        values = tuple(PyValue(c.name.upper(), c.number or 0, docstring(c.doc, 1))
                       for c in self.protocol.calls)
        return PyEnum(self.call_enum, docstring(("The numbers of the calls.",), 1), values)

    def body(self, s: m.Struct) -> PyClass:
        fields = tuple(self.field(x) for x in s.fields)
        return PyClass(self.classes[s.name], docstring(s.doc, 1), fields, s.name)

    def frame(self, f: m.Frame) -> PyClass:
        fields = tuple(self.field(x) for x in f.fields)
        return PyClass(self.classes[f.name], docstring(f.doc, 1), fields, f.name)

    def field(self, x: m.Field) -> PyField:
        return PyField(safe_name(x.name, _FIELDS_TAKEN - {"status", "call", "fields"}),
                       self.type_of(x.type), docstring(x.doc, 1), self.layout(x))

    def type_of(self, t: m.FieldType) -> str:
        if isinstance(t, m.Enum):
            return self.classes[t.name]
        if isinstance(t, m.Selector):
            return self.call_enum
        if isinstance(t, (m.Bytes, m.Scalar)):
            return "bytes" if isinstance(t, m.Bytes) else "int"
        raise Failure(f"the Python client has no {type(t).__name__.lower()}")

    def layout(self, x: m.Field) -> str:
        if isinstance(x.type, m.Bytes):
            if x.type.width == 0:
                return f'Rest("{x.name}", {x.type.max})'
            return f'Counted("{x.name}", {x.type.width}, {x.type.max})'
        among = "" if isinstance(x.type, m.Scalar) else f", {self.type_of(x.type)}"
        return f'Number("{x.name}", {x.type.width}{among})'

    def error(self, v: m.EnumValue) -> PyClass:
        """The exception for a status: every field that one of its frames uses."""
        fields = []
        shapes = self.shapes_of(v)
        for x in self.given():
            types = [self.part_type(s, x) for s in shapes]
            used = [t for t in dict.fromkeys(types) if t is not None]
            if not used:
                continue
            optional = None in types
            union = used[0] if len(used) == 1 else f"Union[{', '.join(used)}]"
            name = safe_name(x.name, _FIELDS_TAKEN)
            fields.append(PyField(name, f"Optional[{union}]" if optional else union,
                                  docstring(x.doc, 1), "= None" if optional else ""))
        return PyClass(self.errors[v.name], docstring(v.doc, 1), tuple(fields), v.name,
                       self.status_of(v))

    # ---- calls ----

    def call(self, c: m.Call) -> PyCall:
        assert c.request is not None
        parameters, values = self.request(c)
        success = next(s for s in c.responses if s.status == self.success)
        failures = tuple(self.shape(s) for s in c.responses if s is not success)
        row = self.shape(c.row, f"{c.name}_row") if c.row else None
        end = self.shape(success, f"{c.name}_end" if c.row else f"{c.name}_answer")
        method = safe_name(c.name, _METHODS_TAKEN)
        return PyCall(method, f"_{c.name.upper()}", c.name,
                      f"{self.call_enum}.{c.name.upper()}", c.number or 0, self.call_doc(c),
                      parameters, values, row, end, failures, self.allowed(c.request))

    def call_doc(self, c: m.Call) -> str:
        """The call's text, and what it raises."""
        raised = [self.errors[s.status.name] for s in c.responses
                  if s.status is not None and s.status != self.success]
        lines = [*c.doc, *(["", f"Raises {', '.join(raised)}."] if raised else [])]
        return docstring(lines, 2)

    def request(self, c: m.Call) -> tuple[tuple[PyParameter, ...], str]:
        """The parameters, a body's fields each by itself, and the frame's values made of them."""
        parameters: list[PyParameter] = []
        values: list[str] = []
        names: set[str] = set()

        def parameter(name: str, outer: str, type_: str) -> str:
            safe = safe_name(name, _PARAMETERS_TAKEN)
            if safe in names:
                safe = f"{outer}_{name}"
            while safe in names:
                safe += "_"
            names.add(safe)
            parameters.append(PyParameter(safe, type_))
            return safe

        assert c.request is not None
        frame = c.request.frame
        for x in frame.fields:
            use = c.request.use(x.name)
            if x is frame.selector:
                values.append(f"{self.call_enum}.{c.name.upper()}")
            elif x is frame.correlate:
                values.append("0")
            elif not x.is_bytes:
                values.append(parameter(x.name, frame.name, self.type_of(x.type)))
            elif use is None:
                values.append('b""')
            elif isinstance(use.body, m.Struct):
                given = [parameter(f.name, x.name, self.type_of(f.type)) for f in use.body.fields]
                values.append(f"{self.classes[use.body.name]}({', '.join(given)}).encode()")
            else:
                name = parameter(x.name, x.name, "bytes")
                values.append(f'_bytes({name}, "{x.name}", {use.max})')
        return tuple(parameters), ", ".join(values)

    def allowed(self, shape: m.Shape) -> str:
        return f"Allowed({self.parts(shape)})"

    def parts(self, shape: m.Shape) -> str:
        """For each counted field its most bytes, or the class of its body."""
        parts = []
        for x in shape.frame.fields:
            use = shape.use(x.name)
            if x.is_bytes:
                is_body = use is not None and isinstance(use.body, m.Struct)
                parts.append(self.classes[use.body.name] if use and is_body
                             else str(use.max if use else 0))
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def shape(self, s: m.Shape, name: str = "") -> PyShape:
        """A kind of frame of an answer; `name`: of the class, where it holds several fields."""
        assert s.status is not None
        status = self.status_of(s.status)
        if s.status.name in self.errors:
            error = self.errors[s.status.name]
            return PyShape(status, self.parts(s), error, error)
        held = [(x, self.part_type(s, x)) for x in self.given()]
        used = [(x, t) for x, t in held if t is not None]
        if len(used) > 1:
            made = self.unique(class_name(name))
            fields = tuple(PyField(safe_name(x.name, _FIELDS_TAKEN), t, docstring(x.doc, 1))
                           for x, t in used)
            what = "One row" if s.status.more else "The answer"
            doc = docstring((f"{what} of `{name.rpartition('_')[0]}`.",), 1)
            self.answers.append(PyClass(made, doc, fields))
            return PyShape(status, self.parts(s), made, made)
        return PyShape(status, self.parts(s), "_same" if used else "_nothing",
                       used[0][1] if used else "None")

    def given(self) -> Iterable[m.Field]:
        """The fields of an answer's frame that its reader is shown."""
        frame = self.protocol.response
        return [x for x in frame.fields if x is not frame.selector and x is not frame.correlate]

    def part_type(self, s: m.Shape, x: m.Field) -> str | None:
        """The type of a field in that kind of frame; None: unused."""
        use = s.use(x.name)
        if not x.is_bytes:
            return self.type_of(x.type)
        if use is None or use.max == 0:
            return None
        return self.classes[use.body.name] if isinstance(use.body, m.Struct) else "bytes"

    def shapes_of(self, v: m.EnumValue) -> list[m.Shape]:
        p = self.protocol
        calls = [*p.calls, *([p.any_call] if p.any_call else [])]
        return [s for c in calls for s in c.answers if s.status is not None and s.status == v]

    def status_of(self, v: m.EnumValue) -> str:
        return f"{self.classes[self.status.name]}.{v.name.upper()}"


def class_name(name: str) -> str:
    """SnakeCase of snake_case; an underscore stays before a digit, so that no two become one."""
    first, *rest = name.split("_")
    return first.capitalize() + "".join(
        f"_{word}" if word[0].isdigit() else word.capitalize() for word in rest)


def safe_name(name: str, taken: frozenset[str] | set[str]) -> str:
    return name + "_" if name in taken else name


def docstring(lines: Iterable[str], depth: int) -> str:
    """A docstring whose further lines are indented."""
    indent = "    " * depth
    text = [line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') for line in lines]
    if text and text[-1].endswith('"'):
        text[-1] = text[-1][:-1] + '\\"'
    joined = "\n".join(f"{indent}{line}" if line and i else line for i, line in enumerate(text))
    return f'"""{joined}"""' if len(text) == 1 else f'"""{joined}\n{indent}"""'
