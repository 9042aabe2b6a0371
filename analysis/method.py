"""The declarations of a method module, and the registry of methods.

The folder `analysis/methods` is the registry: each module or package in it is a method, and its
name is the stem by which the page, the command line and the tests refer to it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import or_
from types import ModuleType, UnionType
from typing import Any, Literal, TypedDict, TypeVar, Union, Unpack, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from analysis import methods
from analysis.errors import InvalidParams, UnknownMethod, shortened
from analysis.events import Common, Event

T = TypeVar("T")


class BaseParams(BaseModel):
    """Base class of a method's parameters: frozen, without unknown fields, with all bounds
    declared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


REQUIRED: Any = ...  # the default of a parameter that has none
Widget = Literal[
    "edges", "hidden", "model", "picture", "segments", "structure", "text", "text_or_ids"
]
Role = Literal[
    "prompt",
    "question",
    "image",
    "subject",
    "chat",
    "special_tokens",
    "continuation",
    "answer",
    "length",
    "seed",
    "separator",
    "stop",
    "target",
]


class Limits(TypedDict, total=False):
    """Limits of a parameter, as pydantic's Field takes them."""

    ge: float
    gt: float
    le: float
    lt: float
    multiple_of: int
    min_length: int
    max_length: int
    pattern: str


def param(
    default: T,
    text: str,
    *,
    group: str,
    widget: Widget | None = None,
    role: Role | None = None,
    many: bool | None = None,
    capability: str | None = None,
    **limits: Unpack[Limits],
) -> T:
    """A field of BaseParams with description `text`, drawn in a `group` of the form.

    `role`: what the parameter means wherever a page treats methods alike; `subject`: what a run is
    about if it has no text, `target`: the output token that the method explains.
    `many`: a text_or_ids field takes several ids. `capability`: the parameter applies only to
    models that have it.
    """
    form = {"group": group, "widget": widget, "role": role, "many": many, "capability": capability}
    extra: dict[str, Any] = {key: value for key, value in form.items() if value is not None}
    value: T = Field(default, description=text, json_schema_extra=extra, **limits)
    return value


@dataclass(frozen=True)
class Example:
    """A named set of params, used as form default, gallery card and test data."""

    name: str
    look_for: str  # what to look for in the figures
    model: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """The declarations of a method module.

    `needs` lists capabilities of which the model must have one; the first that it has determines
    what the method does. `presets` are partial params. `refuse` raises for params that contradict
    each other, `refuse_for` for params that a model cannot serve; it gets the model with its
    tokenizer and configuration, before its weights are read.
    """

    stem: str
    title: str
    doc: str
    version: str
    needs: tuple[str, ...]
    params: type[BaseParams]
    events: tuple[type[Event], ...]
    examples: tuple[Example, ...]
    run: Callable[[Any, Any, Any], Iterator[Event]]  # model, params, RunContext
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse: Callable[[Any], None] | None = None
    refuse_for: Callable[[Any, Any], None] | None = None

    def check(self, values: object) -> BaseParams:
        """`values` as params. Raises InvalidParams naming field, value and limit, and the method's
        own errors for what params alone tell.
        """
        try:
            params = self.params.model_validate(values)
        except ValidationError as error:
            raise _invalid(error, self.params) from None
        if self.refuse:
            self.refuse(params)
        return params

    def event_schema(self) -> dict[str, Any]:
        """JSON schema of every event that a run can yield, discriminated on `kind`."""
        union: Any = reduce(or_, self.events, Common)
        return TypeAdapter(union).json_schema(mode="serialization")


def picture_fields(method: Method) -> list[str]:
    """The params that name a picture by its hash; empty params are omitted."""
    fields = method.params.model_json_schema()["properties"]
    return [name for name, field in fields.items() if field.get("widget") == "picture"]


@cache
def stems() -> tuple[str, ...]:
    """The stems of all methods, sorted."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(methods.__path__)))


@cache
def get(stem: str) -> Method:
    """The method with that stem. Raises UnknownMethod, which lists the available ones."""
    if stem not in stems():
        raise UnknownMethod(
            f"There is no method {shortened(stem)}.", remedy=f"Choose one of: {', '.join(stems())}."
        )
    return read(importlib.import_module(f"analysis.methods.{stem}"))


def read(module: ModuleType) -> Method:
    """Read the declarations of a method module."""
    title, _, doc = (module.__doc__ or "").partition("\n")
    return Method(
        stem=module.__name__.rpartition(".")[2],
        title=title.strip(),
        doc=doc.strip(),
        version=module.VERSION,
        needs=tuple(module.NEEDS),
        params=module.Params,
        events=tuple(module.EVENTS),
        examples=tuple(module.EXAMPLES),
        presets=dict(getattr(module, "PRESETS", {})),
        run=module.run,
        refuse=getattr(module, "refuse", None),
        refuse_for=getattr(module, "refuse_for", None),
    )


def _invalid(error: ValidationError, params: type[BaseParams]) -> InvalidParams:
    every = error.errors(include_url=False)
    # For a parameter with several types: the error of the matching type, whose bounds fail.
    first = next((one for one in every if not one["type"].endswith("_type")), every[0])
    where = ".".join(_path(first["loc"], params)) or "params"
    if first["type"] == "extra_forbidden":
        known = ", ".join(params.model_fields)
        return InvalidParams(
            f"There is no parameter {shortened(where)}.",
            remedy=f"Choose among: {known}.",
            field=where,
        )
    given = "" if first["type"] == "missing" else f" Given: {shortened(first['input'])}."
    remedy = f"Correct {where}: {_describe(params, where)}"
    return InvalidParams(f"{where}: {first['msg']}.{given}", remedy=remedy, field=where)


def _path(loc: tuple[int | str, ...], params: type[BaseParams]) -> list[str]:
    """Names and indices of the field, without the type that was tried."""
    field = params.model_fields.get(str(loc[0])) if loc else None
    tried = field is not None and get_origin(field.annotation) in (Union, UnionType)
    return [
        str(part) for at, part in enumerate(loc) if at == 0 or not tried or isinstance(part, int)
    ]


def _describe(params: type[BaseParams], name: str) -> str:
    found = params.model_fields.get(name.split(".", maxsplit=1)[0])
    return (found.description if found else None) or "see the list of parameters."
