from analysis.errors import shortened


def test_a_short_value_is_shown_whole_and_in_ascii() -> None:
    assert shortened("naïve") == r"'na\xefve'"
    assert shortened([1, None]) == "[1, None]"


def test_a_long_value_is_cut_and_shows_it() -> None:
    for value in ("x" * 79, "x" * 10**7, b"x" * 200, list(range(100)), "\ud800" * 80):
        text = shortened(value)
        assert len(text) == 80
        assert text.endswith("...")
    assert shortened("x" * 78) == f"'{'x' * 78}'"
    assert len(shortened("x" * 500, 200)) == 200
