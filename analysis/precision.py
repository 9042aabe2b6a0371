"""float64 for displayed sums and logarithms, on every device.

Apple's GPUs (mps) have no float64, so exact sums run on the CPU there. No other module of
`analysis` converts a tensor to double, so that no method fails on such a device.
"""

import torch

WITHOUT_FLOAT64 = frozenset({"mps"})


def exact(values: torch.Tensor) -> torch.Tensor:
    """The values in float64, on their device, or on the CPU if the device has no float64.

    Operands must be moved to the same device: `.to(found.device)`.
    """
    if values.device.type in WITHOUT_FLOAT64:
        values = values.cpu()
    return values.double()
