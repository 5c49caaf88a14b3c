"""The OpenAPI 3.1 document, made from the operations table and the bodies' own schemas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from gateway.desk.api import models

if TYPE_CHECKING:
    from gateway.desk.api.operations import Operation

_REF: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile("{([a-z]+)}")
PATTERNS: Final = {"draft": "^dft_[a-z2-7]{26}$", "submission": "^[a-z]{2,4}_[a-z0-9_]{6,40}$"}
PROBLEMS: Final = ("400", "401", "403", "404", "409", "413", "415", "422", "429", "503")


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the document as a JSON value."""
    bodies: list[tuple[Any, Any]] = [(op.body, "validation") for op in operations if op.body is not None]
    answers: list[tuple[Any, Any]] = [(op.answer, "serialization") for op in operations] + [(models.Problem, "serialization")]
    refs, schemas = models_json_schema(list(dict.fromkeys([*bodies, *answers])), ref_template=_REF)
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault("/api/v1" + op.path, {})[op.method.lower()] = _operation(op, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "签发工作台接口", "version": "1", "description": "Qianfa desk API for the extension and other clients."},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"device": {"type": "http", "scheme": "bearer", "description": "A paired device's session."}},
        },
    }


def _operation(op: Operation, refs: Any) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": refs[(models.Problem, "serialization")]}}
    made: dict[str, Any] = {
        "operationId": op.id, "summary": op.zh, "security": [{"device": []}] if op.access == "device" else [],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": PATTERNS[name]}}
              for name in _PARAMETER.findall(op.path)),
            *({"name": name, "in": "query", "required": False, "schema": {"type": "string", "maxLength": 120}} for name in op.query),
        ],
        "responses": {
            str(op.status): {"description": op.zh, "content": {"application/json": {"schema": refs[(op.answer, "serialization")]}}},
            **{status: {"description": "problem", "content": problem} for status in PROBLEMS},
        },
    }
    if op.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[(op.body, "validation")]}}}
    elif op.picture:
        made["requestBody"] = {"required": True, "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp")
        }}
    return made
