"""The provenance line under each figure and table, the same as on the page."""

from datetime import date
from typing import Any

from analysis.catalog.dtypes import AUTO
from workbench.catalog.checks import failure, show_number
from workbench.reports.document import RunRecord

LONGEST = 24  # longer texts are elsewhere in the report


def provenance(run: RunRecord) -> str:
    """Model and revision, dtype, method and version, changed params, seed, time, self-check."""
    info = run.info or {}
    parts = [
        f"{run.model}@{run.revision[:8]}" if run.revision else run.model,
        _merged(info),
        _dtype(run),
        _attention(info),
        f"{run.method} v{run.method_version}",
        *_params(run),
        *_brought(run),
        f"seed {_shown(run.params.get('seed', run.defaults.get('seed')))}",
        run.finished_at and run.finished_at[:16].replace("T", " "),
        _self_check(info.get("self_check")),
    ]
    return " · ".join(part for part in parts if part)


def template_date(run: RunRecord) -> date | None:
    """The date that the chat template used as today; None if it uses none."""
    try:
        return date.fromisoformat(_brings(run).get("template_date") or "")
    except (TypeError, ValueError):
        return None


def changed_params(run: RunRecord) -> dict[str, Any]:
    """Params that differ from their default."""
    return {
        name: value
        for name, value in run.params.items()
        if name not in run.defaults or run.defaults[name] != value
    }


def warning(run: RunRecord) -> str:
    """That the numbers may be wrong, where the model failed its self-check; else empty."""
    check = (run.info or {}).get("self_check")
    if not check or check["passed"]:
        return ""
    return f"The self-check of {run.model} failed: {failure(check)} The numbers may be wrong."


def _merged(info: dict[str, Any]) -> str:
    """That an adapter was merged into the weights, and the base model; else empty."""
    weights = str(info.get("weights", "raw"))
    return "" if weights == "raw" else weights


def _dtype(run: RunRecord) -> str:
    """The dtype of the model, or what was asked for where none was loaded."""
    found = (run.info or {}).get("dtype")
    if run.dtype == AUTO:
        return found or ""
    return f"{found or run.dtype} (chosen)"


def _attention(info: dict[str, Any]) -> str:
    """How forward passes compute attention, and why not by SDPA; empty in older runs."""
    found, why = info.get("attention"), info.get("attention_reason")
    if not found:
        return ""
    name = "SDPA" if found == "sdpa" else found
    return f"{name} attention ({why})" if why else f"{name} attention"


def _params(run: RunRecord) -> list[str]:
    return [
        f"{name} {_shown(value)}"
        for name, value in changed_params(run).items()
        if name != "seed" and not (isinstance(value, str) and len(value) > LONGEST)
    ]


def _brings(run: RunRecord) -> dict[str, Any]:
    brings = (run.info or {}).get("brings")
    return brings if isinstance(brings, dict) else {}


def _brought(run: RunRecord) -> list[str]:
    """Settings of the checkpoint that change a run, or that `generate` would apply."""
    brings = _brings(run)
    day, pad = brings.get("template_date"), brings.get("pad_word")
    parts = [
        day and f"chat template of {day}",
        _asked(_did(run) or brings),
        pad and f"padding token is the word {pad}",
    ]
    return [part for part in parts if part]


def _did(run: RunRecord) -> dict[str, Any] | None:
    """The start of the main trace, which records the settings that the decoder applied."""
    starts = [event.value for event in run.events if event.value.get("kind") == "trace_start"]
    return next((start for start in starts if start.get("main")), None)


def _asked(source: dict[str, Any]) -> str:
    """The generation config's fields; older runs record only what it asks for."""
    listed = (
        ("applied", source.get("applied")),
        ("not applied", source.get("not_applied")),
        ("asks", source.get("generation") if source.get("applied") is None else None),
    )
    requests = [
        f"{what}: {', '.join(f'{name} {_shown(value)}' for name, value in asked.items())}"
        for what, asked in listed
        if isinstance(asked, dict) and asked
    ]
    return f"generation_config {'; '.join(requests)}" if requests else ""


def _shown(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return f"({len(value)})"
        case dict():
            return f"{{{len(value)}}}"
        case _:
            return str(value)


def _self_check(check: dict[str, Any] | None) -> str:
    if not check:
        return "self-check: not run"
    verdict = "passed" if check["passed"] else "FAILED"
    text = f"self-check {verdict} (max |Δ logit| {show_number(check['max_abs_difference'])})"
    rounding = check.get("rounding_nats")
    if not isinstance(rounding, float | int):
        return text
    return f"{text} · differences up to {show_number(rounding)} nats are rounding"
