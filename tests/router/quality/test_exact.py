"""What can be compared without a judge, and what only looks like it."""

from __future__ import annotations

import pytest

from router.quality.exact import Kind, Result, result_of, same

OPTIONS = "Which?\nA) one\nB) two\nC) three"


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("(B).", "B"),
        ("**B**", "B"),
        ("Three is wrong. The answer is B.", "B"),
        ("The correct option: (C)", "C"),
        ("First I thought the answer is A, but the answer is C", "C"),
        ("B) two", "B"),
        ("A good question, hard to tell", ""),
        ("I choose neither.", ""),
    ],
    ids=str,
)
def test_a_letter(answer: str, letter: str) -> None:
    """Of a prompt with options, the option that the answer names without doubt."""
    expected = Result(Kind.LETTER, letter) if letter else None
    assert result_of(OPTIONS, answer, wants_json=False) == expected


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("42", 42.0),
        ("$1,234.50", 1234.5),
        ("-7.", -7.0),
        ("So 6 x 7 = 42.\n#### 42", 42.0),
        ("Thus \\boxed{3.5}", 3.5),
        ("The answer is 12 apples", 12.0),
        ("There are 3 cats and 4 dogs.", None),
        ("", None),
    ],
    ids=str,
)
def test_a_number(answer: str, number: float | None) -> None:
    """One that is the whole answer, or is told as the result; not any that occurs."""
    found = result_of("How many?", answer, wants_json=False)
    assert (found.value if found else None) == number


def test_json() -> None:
    """Where JSON was asked for, equal is what means the same; what is none equals nothing, not even another such."""
    one, other, none = (result_of("", text, wants_json=True) for text in ('{"a":1,"b":[2]}', '{"b":[2], "a":1.0}', "a"))
    assert one is not None
    assert other is not None
    assert none is not None
    assert same(one, other)
    assert not same(one, none)
    assert not same(none, none)


def test_kinds_do_not_mix() -> None:
    """A letter is no number; numbers are equal within what arithmetic loses."""
    assert not same(Result(Kind.LETTER, "A"), Result(Kind.NUMBER, 1.0))
    assert same(Result(Kind.NUMBER, 0.1 + 0.2), Result(Kind.NUMBER, 0.3))
    assert not same(Result(Kind.NUMBER, 1.0), Result(Kind.NUMBER, 1.001))
