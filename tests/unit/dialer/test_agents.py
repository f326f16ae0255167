"""The agents file is read whole, and its texts reach nowhere but the call's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.admission.agents import AgentsFileError, load, parse
from telephony.errors import NotFound, Refused

ROOT = Path(__file__).resolve().parents[3]
ONE = "agents: {default: {instructions: I, greeting: G}}"


def agent(greeting: str, **variables: str) -> str:
    found = parse(f"agents: {{default: {{instructions: I, greeting: {greeting!r}}}}}")
    return found.resolve("default", variables).greeting


def test_the_file_that_comes_with_it_needs_no_variables() -> None:
    config = load(ROOT / "agents.yaml").resolve("default", {})
    assert "automated" in config.greeting and "Riverside Dental" in config.greeting
    for text in (config.instructions, config.greeting, config.goodbye, config.silence_prompt):
        assert "{" not in text


def test_variables_replace_names_and_defaults() -> None:
    config = load(ROOT / "agents.yaml").resolve("default", {"business": "Hillside Vets"})
    assert "Hillside Vets" in config.greeting and "Riverside" not in config.instructions


@pytest.mark.parametrize(
    "text",
    ["{0}", "{a.__class__}", "{a[0]}", "{a!r}", "{a:>9999999}", "{}", "{A}", "{{", '{"json": 1}'],
)
def test_other_braces_are_plain_text(text: str) -> None:
    assert agent(text, a="x") == text


def test_what_a_variable_holds_is_not_rendered_again() -> None:
    assert agent("{a}", a="{b}", b="secret") == "{b}"


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(Refused) as refused:
        agent("Hello {first_name}")
    assert (refused.value.code, refused.value.field) == ("variable_missing", "variables.first_name")


def test_a_text_that_grows_out_of_bounds_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        agent("{a}" * 100, a="x" * 4000)
    assert refused.value.code == "too_large"


def test_an_unknown_agent_is_not_found() -> None:
    with pytest.raises(NotFound):
        parse(ONE).resolve("other", {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents: {other: {instructions: I, greeting: G}}", "no agent named default"),
        ("agents: {default: {instructions: I}}", "default.greeting"),
        ("agents: {default: {instructions: I, greeting: G, greting: H}}", "greting"),
        ("agents: {default: {instructions: I, greeting: ''}}", "default.greeting"),
        ("agents: {'Bad Name': {instructions: I, greeting: G}}", "Bad Name"),
        ("agents: {}", "agents"),
        ("[]", "the file"),
        ("agents: [", "no YAML"),
        ("agents: !!python/object/apply:os.system [x]", "no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(AgentsFileError, match=r"agents\.yaml") as refused:
        parse(text)
    assert said in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentsFileError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_workers_keep_ready_what_needs_nothing_that_only_a_call_tells() -> None:
    described = """
    agents:
      default: {instructions: I, greeting: "Hello from {business}.", variables: {business: Vets}}
      same: {instructions: I, greeting: "Hello from Vets."}
      needy: {instructions: I, greeting: "Hello {customer}."}
    """
    texts = [wanted.text for wanted in parse(described).kept_ready]
    assert texts == ["Sorry, I lost you for a moment. Where were we?", "Hello from Vets."]
