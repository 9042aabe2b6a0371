"""Methods on language models as generators of typed events. No Django, no I/O of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.catalog import Catalog, Entry
    from analysis.events import Event


def run(
    method: str,
    *,
    model: "str | Entry",
    params: dict[str, Any],
    catalog: "Catalog | None" = None,
) -> Iterator["Event"]:
    """Run a method on a model and yield its events; close the generator to stop.

    `model` is an id of the catalog, or the entry of a folder; "inspect" as `method` only
    loads the model and checks its hooks. Raises a GlassbenchError with code and remedy.
    """
    from analysis.session import run as run_in_session

    return run_in_session(method, model=model, params=params, catalog=catalog)
