import types
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from analysis import method as registry
from analysis.errors import InvalidParams, UnknownMethod
from analysis.events import Progress
from analysis.method import Method
from analysis.methods import reagent
from analysis.methods.reagent import params as reagent_params

METHODS = [registry.get(stem) for stem in registry.stems()]
FIELDS = [
    pytest.param(field, id=f"{method.stem}.{name}")
    for method in METHODS
    for name, field in method.params.model_fields.items()
]
EXAMPLES = [
    pytest.param(method, example.params, id=f"{method.stem}-{example.name}")
    for method in METHODS
    for example in method.examples
]
PRESETS = [
    pytest.param(method, preset, id=f"{method.stem}-{name}")
    for method in METHODS
    for name, preset in method.presets.items()
]
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.stem)


def has(field: FieldInfo, *bounds: str) -> bool:
    return any(
        getattr(item, bound, None) is not None for item in field.metadata for bound in bounds
    )


def kinds(method: Method) -> list[str]:
    return [event.model_fields["kind"].default for event in method.events]


def refused(**values: Any) -> InvalidParams:
    with pytest.raises(InvalidParams) as caught:
        registry.get("reagent").check({"prompt": "Anna", **values})
    return caught.value


def test_the_folder_is_the_registry() -> None:
    assert "reagent" in registry.stems()
    found = registry.get("reagent")
    assert found.stem == "reagent"
    assert found.params is reagent_params.Params
    assert found.run is reagent.run
    assert found.title == "ReAGent: which input tokens an output token depends on."
    assert found.doc.startswith("Random subsets of the context")


@pytest.mark.parametrize("stem", ["unknown", "", "../reagent", "reagent.py", "__init__", "\u202e"])
def test_an_unknown_method_is_refused_with_those_there_are(stem: str) -> None:
    with pytest.raises(UnknownMethod) as caught:
        registry.get(stem)
    assert "reagent" in caught.value.remedy
    assert caught.value.message.isprintable()


def test_the_message_on_an_unknown_method_stays_short() -> None:
    with pytest.raises(UnknownMethod) as caught:
        registry.get("x" * 10_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("probes", 15, "16"),
        ("probes", 65_537, "65536"),
        ("replace_rate", 0, "greater than 0"),
        ("replace_rate", 1.0, "less than 1"),
        ("replace_rate", float("nan"), "finite"),
        ("temperature", float("inf"), "finite"),
        ("seed", 2**31, "2147483647"),
        ("probes", "many", "integer"),
        ("probes", 16.5, "integer"),
        ("probes", None, "integer"),
        ("chat", "perhaps", "boolean"),
        ("estimator", "best", "'centred' or 'paper'"),
        ("contrast", "x" * 201, "200 characters"),
        ("contrast", -1, "greater than or equal to 0"),
        ("continuation", 5, "string"),
    ],
)
def test_a_value_outside_its_limit_is_named_with_it(name: str, value: Any, limit: str) -> None:
    error = refused(**{name: value})
    assert error.field == name
    assert error.message.startswith(f"{name}: ")
    assert limit in error.message
    given = ascii(value)
    assert (given if len(given) <= 80 else given[:77] + "...") in error.message
    description = reagent_params.Params.model_fields[name].description
    assert description
    assert error.remedy == f"Correct {name}: {description}"


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(InvalidParams) as caught:
        registry.get("reagent").check({})
    assert caught.value.field == "prompt"
    assert "required" in caught.value.message
    assert "Prompt of the model." in caught.value.remedy


@pytest.mark.parametrize("name", ["promt", "__class__", "x" * 10_000, "\u202eprobes"])
def test_an_unknown_parameter_is_refused_with_those_there_are(name: str) -> None:
    error = refused(**{name: 1})
    assert "There is no parameter" in error.message
    assert len(error.message) < 200
    assert error.message.isprintable()
    assert all(known in error.remedy for known in ("prompt", "probes", "seed"))


@pytest.mark.parametrize("values", [[], "prompt", None, 5])
def test_params_that_are_no_object_are_refused(values: Any) -> None:
    with pytest.raises(InvalidParams, match="params: Input should be a valid dictionary"):
        registry.get("reagent").check(values)


@pytest.mark.parametrize("values", [{"prompt": "\ud800"}, {"\ud800": 1, "prompt": "a"}])
def test_lone_surrogates_are_refused_in_words_that_can_be_sent(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as caught:
        registry.get("reagent").check(values)
    for text in caught.value.as_dict().values():
        assert text is not None
        text.encode()


def test_params_cannot_be_changed() -> None:
    params = registry.get("reagent").check({"prompt": "Anna"})
    with pytest.raises(ValueError, match="frozen"):
        params.prompt = "Tom"  # type: ignore[attr-defined]


@each_method
def test_the_first_line_of_a_method_is_its_title(method: Method) -> None:
    assert 10 <= len(method.title) <= 100
    assert method.doc
    assert method.version
    assert method.needs


@pytest.mark.parametrize("field", FIELDS)
def test_every_parameter_is_described_and_bounded(field: FieldInfo) -> None:
    assert field.description
    kind = get_origin(field.annotation) or field.annotation
    if kind in (Union, UnionType):
        for one in get_args(field.annotation):
            bounded(FieldInfo.from_annotation(one))
    else:
        bounded(field)


def bounded(field: FieldInfo) -> None:
    kind = get_origin(field.annotation) or field.annotation
    if kind in (int, float):
        assert has(field, "ge", "gt")
        assert has(field, "le", "lt")
    elif kind in (str, list, tuple, dict):
        assert has(field, "max_length")
    else:
        assert kind in (bool, Literal)


@pytest.mark.parametrize(("method", "params"), EXAMPLES)
def test_every_example_is_valid(method: Method, params: dict[str, Any]) -> None:
    taken = method.check(params).model_dump(mode="json", include=set(params), exclude_unset=True)
    assert taken == params


@each_method
def test_every_example_says_what_to_look_for(method: Method) -> None:
    assert method.examples
    names = [example.name for example in method.examples]
    assert len(set(names)) == len(names)
    assert all(example.look_for.endswith(".") for example in method.examples)
    assert all(example.model for example in method.examples)


@pytest.mark.parametrize(("method", "preset"), PRESETS)
def test_every_preset_is_valid_over_every_example(method: Method, preset: dict[str, Any]) -> None:
    for example in method.examples:
        checked = method.check({**example.params, **preset})
        assert checked.model_dump(include=set(preset)) == preset


@each_method
def test_events_are_told_apart_by_their_kind(method: Method) -> None:
    found = [*kinds(method), "progress", "model"]
    assert len(set(found)) == len(found)
    assert [get_args(event.model_fields["kind"].annotation) for event in method.events] == [
        (kind,) for kind in kinds(method)
    ]


@each_method
def test_the_event_schema_has_each_kind_once(method: Method) -> None:
    schema = method.event_schema()
    consts = [
        schema["$defs"][part["$ref"].rpartition("/")[2]]["properties"]["kind"]["const"]
        for part in schema.get("oneOf") or schema["anyOf"]
    ]
    assert sorted(consts) == sorted([*kinds(method), "progress", "model", "omitted"])


@each_method
def test_every_field_of_an_event_stands_in_its_schema(method: Method) -> None:
    defs = method.event_schema()["$defs"]
    for event in method.events:
        assert set(defs[event.__name__]["properties"]) == set(event.model_fields)


def test_a_module_is_read_as_it_declares_itself() -> None:
    def run(model: object, params: object) -> Iterator[Progress]:
        yield Progress(stage="x", done=0, total=0, unit="x")

    module = types.ModuleType("analysis.methods.own", "Title.\n\nText.")
    vars(module).update(
        VERSION="2",
        NEEDS=["causal_lm"],
        Params=reagent_params.Params,
        EVENTS=[],
        EXAMPLES=[],
        run=run,
    )
    found = registry.read(module)
    assert (found.stem, found.title, found.doc) == ("own", "Title.", "Text.")
    assert (found.version, found.needs, found.presets) == ("2", ("causal_lm",), {})
