from analysis.method import get


def test_every_example_is_accepted_and_says_what_to_look_for() -> None:
    method = get("information_flow")
    assert len(method.examples) >= 3
    for example in method.examples:
        method.check(example.params)
        assert example.look_for.endswith(".")
