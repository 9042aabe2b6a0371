"""The test of sameness passes samples of one process and sees another."""

import numpy as np

from bench.equality import PassRun, longer, map_distance, p_value, shifted, step_distance

SHARES = np.array([0.5, 0.2, 0.1, 0.1, 0.1])


def sample(seed: int, *, shares: np.ndarray = SHARES, stop: float = 0.1) -> list[PassRun]:
    """Runs of a made-up process: noisy maps, geometric stopping steps."""
    rng = np.random.default_rng(seed)
    return [
        PassRun(
            case=case,
            seed=number,
            maps=[rng.dirichlet(20 * shares) for _ in range(3)],
            steps=[rng.geometric(stop, 16) for _ in range(3)],
            cpu_seconds=0.0,
            forwards=0,
            rows=0,
        )
        for case in range(2)
        for number in range(6)
    ]


def test_samples_of_one_process_are_rarely_told_apart() -> None:
    pairs = [(sample(n), sample(100 + n)) for n in range(20)]
    for statistic in (map_distance, step_distance):
        found = [p_value(a, b, statistic) for a, b in pairs]
        assert sum(p < 0.01 for p in found) <= 1
        assert max(found) > 0.3


def test_another_map_is_seen() -> None:
    other = sample(1, shares=np.array([0.2, 0.5, 0.1, 0.1, 0.1]))
    assert p_value(sample(0), other, map_distance) < 0.01


def test_other_stopping_steps_are_seen() -> None:
    assert p_value(sample(0), sample(1, stop=0.2), step_distance) < 0.01


def test_planted_differences_are_seen() -> None:
    assert p_value(shifted(sample(0)), sample(1), map_distance) < 0.01
    assert p_value(longer(sample(0)), sample(1), step_distance) < 0.01


def test_cases_are_never_mixed() -> None:
    """Two cases that differ from each other, the same in both samples."""

    def two(seed: int) -> list[PassRun]:
        first = [run for run in sample(seed) if run.case == 0]
        second = [run for run in sample(seed + 50, shares=SHARES[::-1]) if run.case == 1]
        return [*first, *second]

    assert p_value(two(0), two(7), map_distance) > 0.01
