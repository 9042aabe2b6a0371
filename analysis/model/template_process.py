"""A process that renders chat templates, and nothing else: a line of JSON in, a line out.

A checkpoint's template is somebody else's program. Here it has a limit of memory and of time, and
no torch: it starts in under a second. Run by path, not as a module of the package.

A request has `template`, `chats` (a list of lists of messages), `variables` and `today`; the answer
has `texts`, or `error`. The time limit is the system's alarm: it ends the process, whatever runs.
"""

import json
import resource
import signal
import sys
from datetime import datetime
from typing import Any

RENDER_SECONDS = 5
MEMORY_BYTES = 512 * 2**20
LONGEST_TEXT = 4 * 2**20  # characters


def main() -> None:
    """Answer requests until standard input ends."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # not needed, and slow to import
    from transformers.utils import chat_template_utils

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    for line in sys.stdin:
        signal.alarm(RENDER_SECONDS)
        answer = _answer(chat_template_utils, json.loads(line))
        signal.alarm(0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answer(library: Any, asked: dict[str, Any]) -> dict[str, Any]:
    library.datetime = _clock(asked["today"])
    try:
        texts, _ = library.render_jinja_template(
            conversations=asked["chats"],
            chat_template=asked["template"],
            add_generation_prompt=True,
            **asked["variables"],
        )
    except MemoryError:
        return {"error": f"it needs more than {MEMORY_BYTES // 2**20} MB of memory"}
    except Exception as error:  # noqa: BLE001 (of a program that is not ours)
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    longest = max(len(text) for text in texts)
    if longest > LONGEST_TEXT:
        return {"error": f"it makes {longest} characters; the limit is {LONGEST_TEXT}"}
    return {"texts": texts}


def _clock(today: str) -> type[datetime]:
    """A datetime whose now is noon of that day."""

    class Fixed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Fixed":
            return cls.fromisoformat(f"{today}T12:00:00").replace(tzinfo=tz)

    return Fixed


if __name__ == "__main__":
    main()
