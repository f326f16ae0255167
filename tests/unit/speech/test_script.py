"""The scripted chat: which cue gets which reply, and when it asks for the end of the call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.speech.script import (
    Line,
    Reply,
    load_script,
    normalised,
    reply,
    whatever_is_said,
)

SCRIPT = load_script()
INSTRUCTIONS = Line(
    "system",
    "You are the automated phone assistant of Riverside Dental. You call to confirm one "
    "appointment:\nyour appointment on Friday at nine, for Alice.",
)
GREETING = Line("assistant", "Hello. Does Tuesday at three still suit you?")
CALLEES = Path(__file__).parents[3] / "sandbox" / "carrier" / "scripts.json"


def answer(*said: str, before: tuple[Line, ...] = (INSTRUCTIONS, GREETING)) -> Reply:
    """Return the reply to the last of the callee's sentences, the earlier ones being answered."""
    lines = list(before)
    found = Reply("")
    for text in said:
        lines.append(Line("user", text))
        found = reply(SCRIPT, lines)
        lines.append(Line("assistant", found.text))
    return found


@pytest.mark.parametrize(
    "farewell",
    [
        *("Goodbye.", "Good bye!", "Good-by.", "Bye.", "Bye-bye.", "Good-bye, thank you."),
        *("Thank you, goodbye.", "Okay, by.", "Have a nice day!", "See you on Tuesday.", "By by."),
    ],
)
def test_a_goodbye_however_it_was_heard_gets_a_farewell_and_ends_the_call(farewell: str) -> None:
    said = answer(farewell)
    assert said.ends
    assert "Goodbye" in said.text


@pytest.mark.parametrize(
    "sentence",
    [
        *("By the way, what time is it?", "Yes.", "Hello?", "No, that is all, thank you."),
        *("Could you say goodnight to the doctor?", "I want to buy a new brush.", "Okay.", ""),
    ],
)
def test_what_is_no_goodbye_does_not_end_the_call(sentence: str) -> None:
    assert not answer(sentence).ends


@pytest.mark.parametrize(
    "greeting",
    [
        "Hi, you have reached Sam. Please leave a message after the tone.",
        "The person you are calling is not available at the moment. Record your message.",
        "This is the voicemail of Alice.",
        "At the beep, please record a short message.",
    ],
)
def test_a_voicemail_greeting_gets_a_message_and_ends_the_call(greeting: str) -> None:
    said = answer(greeting)
    assert said.ends
    assert "call the office back" in said.text


@pytest.mark.parametrize(
    "greeting", ["Hi, you have reached Alice.", "I can't take your call right now."]
)
def test_nothing_is_said_to_a_voicemail_before_its_tone(greeting: str) -> None:
    said = answer(greeting)
    assert said.text == ""
    assert not said.ends


def test_a_person_who_wants_to_leave_a_message_is_not_a_machine() -> None:
    said = answer("Can I leave a message for the doctor?")
    assert not said.ends
    assert "message" in said.text


def test_who_wants_no_more_calls_is_left_alone() -> None:
    said = answer("Please do not call me again.")
    assert said.ends
    assert "sorry" in said.text


@pytest.mark.parametrize("question", ["Who are you?", "Who is this?", "Are you a real person?"])
def test_it_says_that_it_is_an_automated_assistant(question: str) -> None:
    assert "automated assistant" in answer(question).text


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("What time is it again?", "Tuesday"),
        ("When is my appointment?", "Tuesday"),
        ("Yes, that works for me.", "confirmed"),
        ("Please confirm it.", "confirmed"),
        ("No.", "suit you better"),
        ("I can't make it on Tuesday.", "Which day"),
        ("Wednesday would be better.", "Wednesday"),
        ("I have to move my appointment to friday", "Friday"),
        ("Hold on a second.", "take your time"),
        ("Sorry, you have the wrong number.", "mistake"),
        ("Thank you very much.", "welcome"),
        ("No, that's all.", "settled"),
        ("What is this call about?", "appointment on Friday at nine"),
        ("[The other side pressed these keys on the phone: 1 2 3 #]", "keys"),
    ],
)
def test_it_answers_what_was_asked(sentence: str, word: str) -> None:
    assert word in answer(sentence).text


@pytest.mark.parametrize("question", ["Could you repeat that?", "Sorry?", "I didn't catch that."])
def test_asked_to_repeat_it_says_the_last_thing_again(question: str) -> None:
    assert answer(question).text == f"Of course. {GREETING.text}"


def test_asked_to_repeat_twice_it_does_not_pile_up_its_prefix() -> None:
    assert answer("Sorry?", "Pardon?").text == f"Of course. {GREETING.text}"


def test_what_it_does_not_understand_moves_the_conversation_on_in_new_words() -> None:
    lines = [INSTRUCTIONS]
    said: list[str] = []
    for _ in SCRIPT.fallbacks:
        lines.append(Line("user", "blue bananas"))
        said.append(reply(SCRIPT, lines).text)
        lines.append(Line("assistant", said[-1]))
    assert sorted(said) == sorted(SCRIPT.fallbacks)


def test_the_same_question_twice_gets_other_words() -> None:
    assert answer("Yes.").text != answer("Yes.", "Yes.").text


def test_nobody_having_spoken_it_greets_for_the_business_of_the_instructions() -> None:
    assert "Riverside Dental" in reply(SCRIPT, [INSTRUCTIONS]).text


def test_without_instructions_it_greets_all_the_same() -> None:
    assert reply(SCRIPT, []).text.startswith("Hello")


def test_a_greeting_quoted_in_the_instructions_is_said() -> None:
    told = Line("system", 'You are Ada. Greet the callee with "Good day, this is Ada."')
    assert reply(SCRIPT, [told]).text == "Good day, this is Ada."


def test_an_instruction_in_the_middle_of_a_call_is_obeyed_only_where_it_quotes() -> None:
    lines = [INSTRUCTIONS, Line("user", "Hm."), Line("system", 'Say "Are you still there?"')]
    assert reply(SCRIPT, lines) == Reply("Are you still there?")


def test_told_to_say_goodbye_it_does_and_leaves_the_hang_up_to_who_told_it() -> None:
    lines = [INSTRUCTIONS, Line("user", "Hm."), Line("system", "Nobody is there: say goodbye.")]
    assert reply(SCRIPT, lines) == Reply(SCRIPT.farewell)


def test_after_a_tool_has_answered_it_says_nothing_more() -> None:
    lines = [INSTRUCTIONS, Line("user", "Bye."), Line("assistant", ""), Line("tool", "done")]
    assert reply(SCRIPT, lines) == Reply("")


def test_an_absurdly_long_fact_is_not_read_out() -> None:
    told = Line("system", "You are the assistant of " + "A very " * 40 + "long name")
    assert "the office" in reply(SCRIPT, [told]).text


def test_every_reply_is_short_enough_for_a_telephone() -> None:
    facts = {name: fact.default for name, fact in SCRIPT.facts.items()}
    texts = [SCRIPT.greeting, SCRIPT.farewell, *SCRIPT.fallbacks]
    texts += [s for rule in SCRIPT.rules if not rule.repeats for s in rule.says if s]
    for text in texts:
        words = text.format(**facts, heard="Wednesday").split()
        assert 6 <= len(words) <= 20, text
        assert text.count(".") + text.count("?") <= 3, text


def test_every_simulated_callee_is_answered_until_it_says_goodbye_and_no_sooner() -> None:
    for name, callee in json.loads(CALLEES.read_text(encoding="utf-8")).items():
        spoken: list[str] = callee["lines"]
        for number, sentence in enumerate(spoken, start=1):
            said = answer(*spoken[:number])
            assert said.text, (name, sentence)
            assert said.ends == ("goodbye" in sentence.lower()), (name, sentence)


def test_recognisers_spellings_come_down_to_the_same_words() -> None:
    assert normalised("  Good-Bye,  THANKS! It’s me. ") == "good bye thanks it's me"


def test_whatever_it_says_to_the_phones_was_listed_before() -> None:
    listed = whatever_is_said(SCRIPT, INSTRUCTIONS.text)
    callees = json.loads(CALLEES.read_text())
    said = {
        answer(*callee["lines"][:count]).text
        for callee in callees.values()
        for count in range(1, len(callee["lines"]) + 1)
    }
    unlisted = sorted(text for text in said if text not in listed)
    # Who asks for something once more hears the last thing again.
    assert all(text.startswith("Of course. ") for text in unlisted), unlisted
    assert len(said) > 10
