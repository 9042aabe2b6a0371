"""Messages of the socket: invalid ones are refused, frames match their type."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidMessage
from workbench.runs.schemas import event_frame
from workbench.socket.messages import EventMessage, Watch, read_message, socket_schema

RUN = uuid.UUID("12345678-1234-5678-1234-567812345678")


def test_a_watch_is_read_with_its_defaults() -> None:
    message = read_message(f'{{"type": "watch", "run": "{RUN}"}}')
    assert message == Watch(type="watch", run=RUN, attempt=0, after=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type": "watch"}',
        '{"type": "watch", "run": "../../etc"}',
        f'{{"type": "watch", "run": "{RUN}", "after": -1}}',
        f'{{"type": "watch", "run": "{RUN}", "after": "3"}}',
        f'{{"type": "watch", "run": "{RUN}", "after": 1.5}}',
        f'{{"type": "watch", "run": "{RUN}", "after": 99999999999999999999}}',
        f'{{"type": "watch", "run": "{RUN}", "more": 1}}',
        '{"type": "become_admin"}',
        '{"type": {"a": 1}}',
        '{"type": "\\ud800"}',
        "[" * 3000,
    ],
)
def test_a_message_of_the_wrong_shape_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage) as refusal:
        read_message(text)
    refusal.value.message.encode("utf-8")
    assert refusal.value.remedy


@given(text=st.text(max_size=200))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(InvalidMessage):
        read_message(text)


@given(
    seq=st.integers(1, 2**31 - 1),
    event=st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=4),
)
def test_a_frame_is_an_event_message(seq: int, event: dict[str, object]) -> None:
    now = datetime.now(UTC)
    frame = event_frame(run=RUN, attempt=2, seq=seq, at=now, payload=json.dumps(event))
    message = EventMessage.model_validate_json(frame)
    assert (message.run, message.attempt, message.seq, message.at) == (RUN, 2, seq, now)
    assert message.event == event


def test_the_schema_covers_both_directions() -> None:
    assert set(socket_schema()) == {"ClientMessage", "ServerMessage", "StatusEvent"}
