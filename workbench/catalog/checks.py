"""What a stored self-check says, in words."""

from typing import Any


def failure(check: dict[str, Any]) -> str:
    """Why a self-check did not pass, as a sentence."""
    apart = max(check["max_abs_difference"], check.get("max_abs_difference_fast") or 0.0)
    message = str(check.get("message") or "")
    if apart <= check["tolerance"]:
        return message or "some numbers are not finite."
    told = f"largest difference {show_number(apart)}, tolerance {show_number(check['tolerance'])}."
    return f"{told} {message}".strip()


def show_number(value: float) -> str:
    """Three decimals; powers of ten below 0.0005; a typographic minus sign."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    style = ".1e" if magnitude < 0.0005 else ".3f" if magnitude < 1000 else ",.0f"
    mantissa, e, power = format(value, style).partition("e")
    return (mantissa + (f"e{int(power):+d}" if e else "")).replace("-", "−")
