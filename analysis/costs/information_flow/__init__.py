"""What information flow costs: cuts in a language model, or pictures of a pipeline."""

from collections.abc import Iterator

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.costs.information_flow import images, text
from analysis.workload import Stage

CHEAPER = (
    Change("matrix_layers", value=False, lacks="no matrix by layer"),
    Change("tracing", value=False, lacks="no causal tracing"),
    Change("grouping", value="sentence", lacks="cuts by sentence instead of by word"),
    Change("routes", value=False, lacks="no contribution graph"),
    Change("matrix", value=False, lacks="no flow matrix"),
    Change("layer_row", value=False, lacks="no pictures by layer"),
    Change("encoder_flow_layers", value=False, lacks="no cuts by layer of the text encoder"),
    Change("pictures", value=2, lacks="at most 2 pictures per row"),
    Change("steps", value=8, lacks="at most 8 denoising steps"),
    Change("tokens", value=False, lacks="no pictures of single tokens"),
)


def stages(case: CostCase) -> Iterator[Stage]:
    """Of the part that fits the model."""
    return images.stages(case) if case.serving == "text_to_image" else text.stages(case)
