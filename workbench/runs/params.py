"""Checks params of a run against the method's schema, and converts them to canonical form."""

import hashlib
import json
from typing import Any

from django.conf import settings
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from analysis.catalog.dtypes import AUTO
from analysis.errors import InvalidParams, shortened
from workbench.catalog.methods import MethodOut
from workbench.errors import TooLarge


def params_check(*, method: MethodOut, params: dict[str, Any]) -> dict[str, Any]:
    """`params` with defaults filled in. Raises InvalidParams naming field, value and limit."""
    error = best_match(Draft202012Validator(method.params_schema).iter_errors(params))
    if error:
        raise _invalid(error, method, params)
    filled = _canonical(method.params_schema, params)
    size = len(json.dumps(filled).encode())
    if size > settings.MAX_PARAMS_BYTES:
        raise TooLarge(
            f"The params take {size} bytes; the limit is {settings.MAX_PARAMS_BYTES}.",
            remedy="Send a shorter text.",
            field="params",
        )
    return filled


def cache_key(
    *, method: MethodOut, model: str, revision: str, params: dict[str, Any], dtype: str = AUTO
) -> str:
    """Equal for runs that give equal events; empty while the revision is not known."""
    if not revision:
        return ""
    named = [method.stem, method.version, model, revision, params]
    if dtype != AUTO:  # so that keys of earlier runs stay
        named.append(dtype)
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def _canonical(schema: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = schema.get("properties", {})
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    return {
        name: _as_type(fields[name].get("type"), value)
        for name, value in sorted({**defaults, **params}.items())
    }


def _as_type(kind: str | None, value: Any) -> Any:
    """A number in the field's type: JSON does not distinguish 1 and 1.0."""
    if kind == "number":
        return float(value)
    return int(value) if kind == "integer" else value


def _invalid(error: ValidationError, method: MethodOut, given: dict[str, Any]) -> InvalidParams:
    fields: dict[str, dict[str, Any]] = method.params_schema.get("properties", {})
    required: list[str] = method.params_schema.get("required", [])
    if error.validator == "additionalProperties" and not error.path:
        name = next(name for name in given if name not in fields)
        return InvalidParams(
            f"{method.stem} has no parameter {shortened(name)}.",
            remedy=f"Choose among: {', '.join(fields)}.",
            field=name[:100],
        )
    if error.validator == "required" and not error.path:
        name = next(name for name in required if name not in given)
        return InvalidParams(
            f"{name} is missing.", remedy=_remedy(fields.get(name, {}), name), field=name
        )
    name = str(error.path[0]) if error.path else "params"
    return InvalidParams(
        f"{name} is {shortened(error.instance)}; {_limit(error)}.",
        remedy=_remedy(fields.get(name, {}), name),
        field=name,
    )


LIMITS = {
    "maxLength": "its longest length is {limit} characters, this has {size}",
    "minLength": "its shortest length is {limit} characters, this has {size}",
    "maxItems": "it takes at most {limit} values, these are {size}",
    "minItems": "it takes at least {limit} values, these are {size}",
    "maximum": "the largest value is {limit}",
    "minimum": "the smallest value is {limit}",
    "exclusiveMaximum": "it must be below {limit}",
    "exclusiveMinimum": "it must be above {limit}",
    "type": "it must be of type {limit}",
    "enum": "the choices are {limit}",
    "const": "it must be {limit}",
}


def _limit(error: ValidationError) -> str:
    template = LIMITS.get(str(error.validator))
    if template is None:
        return shortened(error.message)
    size = len(error.instance) if isinstance(error.instance, str | list) else 0
    limit = error.validator_value
    shown = ", ".join(map(str, limit)) if isinstance(limit, list) else limit
    return template.format(limit=shown, size=size)


def _remedy(field: dict[str, Any], name: str) -> str:
    return f"Correct {name}: {field.get('description', 'see the list of parameters.')}"
