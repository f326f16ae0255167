"""The trunks' passwords in the database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.routing.sealing import Sealing, Unsealable

OLD = "an-old-secret-of-the-tests-32-and-more"
NEW = "a-newer-secret-of-the-tests-32-and-more"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_what_is_sealed_is_opened_and_cannot_be_read(plain: str) -> None:
    sealed = Sealing([OLD]).seal(plain)
    assert Sealing([OLD]).open(sealed) == plain
    assert not plain or plain not in sealed or len(plain) < 4


def test_the_same_text_is_sealed_in_another_way_each_time() -> None:
    assert Sealing([OLD]).seal("secret") != Sealing([OLD]).seal("secret")
    assert Sealing([OLD]).seal("") == ""


def test_the_first_secret_seals_and_each_opens() -> None:
    before = Sealing([OLD]).seal("secret")
    both = Sealing([NEW, OLD])
    assert both.open(before) == "secret"
    assert Sealing([NEW]).open(both.seal("secret")) == "secret"


@pytest.mark.parametrize("broken", ["not sealed at all", "", "gAAAA", "\N{SNOWMAN}"])
def test_what_another_key_sealed_or_nobody_is_refused(broken: str) -> None:
    sealed = broken or Sealing([OLD]).seal("secret")
    with pytest.raises(Unsealable):
        Sealing([NEW]).open(sealed)
