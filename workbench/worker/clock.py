"""How long a run took, compared with what was calculated before."""

import logging
import time
from dataclasses import dataclass, field

from django.db import DatabaseError

from analysis import costs
from analysis.catalog.dtypes import check_dtype
from analysis.costs.case import case_of
from analysis.costs.estimate import calculated, calculated_loading
from analysis.errors import GlassbenchError
from analysis.events import ModelInfo
from workbench.catalog.methods import method_get
from workbench.catalog.selectors import catalog
from workbench.estimates.selectors import LOADING, place_named
from workbench.estimates.services import duration_record
from workbench.runs.models import Run

log = logging.getLogger(__name__)


@dataclass
class RunClock:
    """Measures loading and the method of one attempt; `loaded_before` are models held already."""

    loaded_before: frozenset[str]
    began: float = field(default_factory=time.perf_counter)
    info: ModelInfo | None = None
    loaded_at: float = 0.0

    def loaded(self, info: ModelInfo) -> None:
        """The first model is that of the run."""
        if self.info is None:
            self.info, self.loaded_at = info, time.perf_counter()

    def store(self, run: Run, *, device: str) -> None:
        """Store the durations of a finished run; what cannot be stored is left out."""
        if self.info is None or run.method not in costs.known():
            return
        try:
            self._store(run, self.info, device)
        except (GlassbenchError, DatabaseError) as error:
            log.warning("The duration of run %s is not stored: %s", run.id, error)

    def _store(self, run: Run, info: ModelInfo, device: str) -> None:
        place, entry = place_named(device), catalog().find(run.model)
        if place is None or entry.path is None:
            return
        needs = tuple(method_get(run.method).needs)
        case = case_of(
            entry,
            run.params,
            needs,
            kind=place.kind,
            memory=place.memory,
            dtype=check_dtype(run.dtype),
        )
        seconds = {run.method: time.perf_counter() - self.loaded_at}
        stages = costs.stages(run.method, case)
        expected = {run.method: calculated(stages, case.model, case.device, place.speed)}
        if case.loaded_name not in self.loaded_before:
            seconds[LOADING] = self.loaded_at - self.began
            expected[LOADING] = calculated_loading(case.model, case.device, place.speed)
        for method, took in seconds.items():
            duration_record(
                device=device,
                model=info.id,
                revision=info.revision,
                dtype=case.dtype,
                method=method,
                ratio=took / max(expected[method], 1e-9),
            )
