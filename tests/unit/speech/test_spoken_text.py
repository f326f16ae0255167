"""What is written and what is said aloud."""

from __future__ import annotations

import pytest

from sandbox.speech.spoken_text import MAX_SENTENCE, sentences, speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Call 415-555-0134 now", "Call 4 1 5, 5 5 5, 0 1 3 4 now"),
        ("Dial +14155550134.", "Dial 1 4 1, 5 5 5, 5 0 1, 3 4."),
        ("at 3:30 pm", "at 3 30 P M"),
        ("at 9:05", "at 9 oh 5"),
        ("at 10:00", "at 10 o'clock"),
        ("at 5 p.m. today", "at 5 P M today"),
        ("It costs $12.50", "It costs 12 dollars and 50 cents"),
        ("It costs £1", "It costs 1 pound"),
        ("1,250 people", "1250 people"),
        ("order 123456", "order 1 2 3 4 5 6"),
        ("in 2026", "in 2026"),
        ("Dr. Smith & Mrs. Jones", "doctor Smith and missus Jones"),
        ("**Bold** and `code`", "Bold and code"),
        ("100% sure", "100 percent sure"),
        ("It’s fine", "It's fine"),
    ],
)
def test_it_is_said_the_way_people_say_it(written: str, said: str) -> None:
    assert speakable(written) == said


def test_sentences_are_told_apart_with_their_marks() -> None:
    assert sentences("Hello there. Is it you? Yes! Good") == [
        *("Hello there.", "Is it you?", "Yes!", "Good"),
    ]


def test_a_decimal_point_ends_no_sentence() -> None:
    assert sentences("It is 3.5 miles away.") == ["It is 3.5 miles away."]


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", '"'])
def test_what_has_no_word_is_not_spoken(text: str) -> None:
    assert sentences(text) == []


def test_a_long_sentence_is_cut_at_a_comma() -> None:
    text = "one two three four five, " * 20 + "end."
    found = sentences(text)
    assert all(len(piece) <= MAX_SENTENCE for piece in found)
    assert all(piece.endswith((",", ".")) for piece in found)
    assert " ".join(found) == text


def test_not_even_a_word_without_end_is_too_long() -> None:
    found = sentences("x" * 1000)
    assert all(0 < len(piece) <= MAX_SENTENCE for piece in found)
    assert "".join(found) == "x" * 1000
