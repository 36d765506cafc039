# SPDX-License-Identifier: Apache-2.0
"""Plan to texts: one template per output, no decisions."""
from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from layout import finish
from plan import Plan
from program import MessagePlan
from python import make_python
from python_parts import make_messages
from reference import make_reference
from vectors import make_vectors

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Output:
    """One template and the path it becomes; {p} is the prefix, {frame} each frame's name."""

    template: str
    path: str
    is_bundled: bool = True  # part of a bundle


OUTPUTS = (
    Output("header.h.j2", "include/caudex/{p}.h"),
    Output("internal.h.j2", "{p}_internal.h"),
    Output("dispatch.h.j2", "include/caudex/{p}_dispatch.h"),
    Output("grammar.rl.j2", "{p}_{frame}_grammar.rl"),
    Output("parser.rl.j2", "{p}_{frame}.rl"),
    Output("encode.c.j2", "{p}_encode.c"),
    Output("client.h.j2", "include/caudex/{p}_client.h"),
    Output("client.c.j2", "{p}_client.c"),
    Output("python.py.j2", "python/{p}.py", is_bundled=False),
    Output("fuzz_parse.c.j2", "fuzz_{p}_parse.c", is_bundled=False),
    Output("fuzz_roundtrip.c.j2", "fuzz_{p}_roundtrip.c", is_bundled=False),
    Output("dictionary.dict.j2", "{p}.dict", is_bundled=False),
    Output("reference.md.j2", "{p}.md"),
    Output("vectors.md.j2", "vectors/{p}_{frame}.md", is_bundled=False),
)

# Of a protocol that consists of messages.
MESSAGE_OUTPUTS = (
    Output("message_header.h.j2", "include/caudex/{p}.h"),
    Output("message_internal.h.j2", "{p}_internal.h"),
    Output("message_parse.c.j2", "{p}_parse.c"),
    Output("message_encode.c.j2", "{p}_encode.c"),
    Output("message_text.rl.j2", "{p}_text.rl"),
    Output("message_trace.h.j2", "{p}_trace.h", is_bundled=False),
    Output("message_python.py.j2", "python/{p}.py", is_bundled=False),
)

# Beside the C of a bundle, whatever the protocol.
BUNDLE_OUTPUTS = ("bundle_example.c.j2", "bundle_readme.md.j2")


def render(plan: Plan | MessagePlan, of_bundle: bool = False) -> dict[str, str]:
    """All outputs, or those of a bundle: path relative to the output folder → text."""
    environment = _environment()
    if isinstance(plan, MessagePlan):
        return _render_messages(environment, plan, of_bundle)
    environment.globals["parser_stamp"] = _parser_stamp(environment, plan)
    texts: dict[str, str] = {}
    for output in OUTPUTS:
        if of_bundle and not output.is_bundled:
            continue
        template = environment.get_template(output.template)
        if "{frame}" in output.path:
            for frame in plan.frames:
                path = output.path.format(p=plan.prefix, frame=frame.name)
                extra = _extra(output, plan, frame.name)
                texts[path] = _text(plan, template.render(plan=plan, frame=frame, **extra), path)
        else:
            path = output.path.format(p=plan.prefix)
            texts[path] = _text(plan, template.render(plan=plan, **_extra(output, plan)), path)
    return texts


def output_paths(plan: Plan | MessagePlan) -> list[str]:
    """The paths that render() has."""
    outputs = MESSAGE_OUTPUTS if isinstance(plan, MessagePlan) else OUTPUTS
    frames = [] if isinstance(plan, MessagePlan) else [frame.name for frame in plan.frames]
    return [output.path.format(p=plan.prefix, frame=name) for output in outputs
            for name in (frames if "{frame}" in output.path else [""])]


def render_bundle(plan: Plan | MessagePlan, is_single: bool, has_reference: bool) -> dict[str, str]:
    """What stands in a bundle beside the outputs: template → text."""
    environment = _environment()
    return {name: environment.get_template(name).render(plan=plan, is_single=is_single,
                                                         has_reference=has_reference)
            for name in BUNDLE_OUTPUTS}


def _render_messages(environment: jinja2.Environment, plan: MessagePlan,
                     of_bundle: bool) -> dict[str, str]:
    walks = environment.get_template("message_parse.c.j2").render(plan=plan)
    environment.globals["parser_stamp"] = hashlib.sha256(walks.encode()).hexdigest()[:16]
    texts = {}
    for output in MESSAGE_OUTPUTS:
        if of_bundle and not output.is_bundled:
            continue
        path = output.path.format(p=plan.prefix)
        template = environment.get_template(output.template)
        made = template.render(plan=plan, **_message_extra(output, plan))
        texts[path] = _text(plan, made, path)
    return texts


def _parser_stamp(environment: jinja2.Environment, plan: Plan) -> str:
    """16 hex digits that change with the parsers and with the layout of their states."""
    digest = hashlib.sha256()
    for frame in plan.frames:
        digest.update(repr([(member.ctype, member.name) for member in frame.state]).encode())
        for name in ("grammar.rl.j2", "parser.rl.j2"):
            digest.update(environment.get_template(name).render(plan=plan, frame=frame).encode())
    return digest.hexdigest()[:16]


def _extra(output: Output, plan: Plan, frame: str = "") -> dict[str, Any]:
    """What one kind of output shows besides the plan."""
    if output.template == "reference.md.j2":
        return {"reference": make_reference(plan.model)}
    if output.template == "python.py.j2":
        return {"module": make_python(plan.model)}
    if output.template == "vectors.md.j2":
        model = next(f for f in plan.model.frames if f.name == frame)
        return {"vectors": make_vectors(plan.model, model)}
    return {}


def _message_extra(output: Output, plan: MessagePlan) -> dict[str, Any]:
    """The same for messages."""
    is_python = output.template == "message_python.py.j2"
    return {"module": make_messages(plan.model)} if is_python else {}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(TEMPLATES)), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )
    environment.filters["prefix"] = lambda text, before: f"{before}{text}"
    environment.filters["shift"] = lambda text: textwrap.indent(text, "    ")
    environment.filters["suffix"] = lambda text, after: f"{text}{after}"
    return environment


def _text(plan: Plan | MessagePlan, text: str, path: str) -> str:
    """C gets its line breaks and line numbers; the rest is as the template says."""
    text = plan.model.source.placed(text)
    return finish(text, path.rsplit("/", 1)[-1]) if path.endswith((".c", ".h", ".rl")) else text
