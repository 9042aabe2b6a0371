"""The cache's serializer: JSON, so that nothing read from Redis is executed."""

import json
from typing import Any


class JSONSerializer:
    def dumps(self, value: Any) -> str:
        return json.dumps(value)

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
