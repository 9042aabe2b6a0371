"""Methods on language models as generators of typed events, without Django and without I/O."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.catalog.entries import Catalog, Entry
    from analysis.costs.estimate import Estimate
    from analysis.events import Event
    from analysis.images.files import PictureReader


def run(
    method: str,
    *,
    model: "str | Entry",
    params: dict[str, Any],
    catalog: "Catalog | None" = None,
    pictures: "PictureReader | None" = None,
    today: "date | None" = None,
    dtype: str = "auto",
) -> Iterator["Event"]:
    """Run a method on a model and yield its events; close the generator to stop.

    `model` is an id of the catalog, or the entry of a folder. The `method` "inspect" only loads the
    model and checks its hooks. `pictures` reads the pictures that params name by their hash, see
    `analysis.images.files`. `today` is the date that chat templates use, so that a run can be
    repeated (default: the current date). `dtype` is that of every model that the run loads:
    float32, bfloat16, float16, or auto (float32 on a CPU, the checkpoint's own on a GPU). Raises a
    GlassbenchError with code and remedy.
    """
    from analysis.images.files import no_pictures
    from analysis.runner import run as run_in_session

    return run_in_session(
        method,
        model=model,
        params=params,
        catalog=catalog,
        pictures=pictures or no_pictures,
        today=today,
        dtype=dtype,
    )


def estimate(
    method: str,
    *,
    model: "str | Entry",
    params: dict[str, Any],
    catalog: "Catalog | None" = None,
    dtype: str = "auto",
) -> "Estimate":
    """Expected seconds, their interval, and peak bytes of a run in this process.

    Nothing is loaded; the speed of the device is measured once, in about 0.3 s. Raises what `run`
    raises for such params, and ModelUnreadable for a hub model that is not downloaded.
    """
    from analysis.runner import estimate as estimate_run

    return estimate_run(method, model=model, params=params, catalog=catalog, dtype=dtype)
