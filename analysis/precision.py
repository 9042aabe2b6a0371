"""float64 for sums and logarithms that are shown, on every device.

Apple's GPUs (mps) have no float64: what is to be exact goes to the CPU there. Nothing else in
`analysis` makes a tensor double, so that no method fails on such a device.
"""

import torch

WITHOUT_FLOAT64 = frozenset({"mps"})


def exact(values: torch.Tensor) -> torch.Tensor:
    """The values in float64: on their own device, or on the CPU where that has no float64.

    What is combined with them has to be on the same device: `.to(found.device)`.
    """
    if values.device.type in WITHOUT_FLOAT64:
        values = values.cpu()
    return values.double()
