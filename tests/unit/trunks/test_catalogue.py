"""The catalogue of bad input, as far as trunks, numbers and calls that come in go.

Each number has what goes in and what must come of it, and names the tests that show it.
"""

from __future__ import annotations

import pytest

from tests.kit.named_tests import is_there

_FILE = "unit/trunks/test_reading_faults.py::test_each_fault_has_its_code_and_its_place"
_BRIDGE = "sip/test_inbound_bad_input.py"
_TORTURE = "faults/test_torture_messages.py"
_DOOR = "contract/test_inbound_admission.py"
_SIP = "contract/test_livekit_sip_adapter.py"

#: Number -> what it is about, and the tests.
CATALOGUE: dict[int, tuple[str, tuple[str, ...]]] = {
    63: ("an address with sip:, parameters, a user, a port beyond all, or none at all", (_FILE,)),
    64: ("a trunk without numbers", (_FILE,)),
    65: (
        "TLS on port 5060",
        ("unit/trunks/test_reading.py::test_what_is_only_doubtful_is_a_warning",),
    ),
    66: (
        "several networks in one entry, which LiveKit takes for no restriction",
        (_FILE, f"{_SIP}::test_a_trunk_that_would_let_everybody_in_is_never_sent"),
    ),
    67: (
        "a network of everybody, a host name for a network",
        (
            _FILE,
            "unit/trunks/test_reading.py::test_who_knows_what_it_means_may_open_a_trunk_to_all",
        ),
    ),
    68: (
        "an inbound trunk with numbers and neither a password nor networks",
        (_FILE, f"{_SIP}::test_a_trunk_that_would_let_everybody_in_is_never_sent"),
    ),
    69: (
        "a dispatch rule that names no trunk",
        (
            f"{_SIP}::test_a_trunk_that_would_let_everybody_in_is_never_sent",
            f"{_SIP}::test_what_somebody_changed_by_hand_is_seen_and_mended",
        ),
    ),
    70: (
        "one number on two trunks",
        (_FILE, f"{_SIP}::test_a_number_of_another_trunk_is_told_as_taken"),
    ),
    71: (
        "a password under 16 characters",
        (
            _FILE,
            "unit/trunks/test_reading.py::test_a_short_password_is_no_matter_on_this_machine",
        ),
    ),
    72: (
        "SRTP required, and the carrier offers or answers none",
        (
            "sip/test_encryption.py::test_a_carrier_that_answers_srtp_in_clear_is_not_spoken_to",
            "sip/test_encryption.py::"
            "test_a_carrier_without_srtp_refuses_and_the_call_ends_as_codec",
            "sip/test_encryption.py::"
            "test_a_call_in_without_srtp_is_refused_where_the_trunk_requires_it",
        ),
    ),
    73: ("a list of codecs with none, or with G729 alone", (_FILE,)),
    74: (
        "ports of the bridge that are no range, or too few for the calls",
        (
            "unit/trunks/test_reading.py::"
            "test_the_bridges_ports_must_do_for_the_calls_that_may_be_up",
            "integration/deploy/test_entrypoints.py::"
            "test_a_bridge_with_too_few_ports_for_its_calls_does_not_start",
        ),
    ),
    82: (
        "an INVITE from elsewhere",
        (
            f"{_BRIDGE}::test_82_a_call_from_elsewhere_gets_no_room_and_no_call",
            f"{_DOOR}::test_a_call_that_is_not_for_us_gets_no_room",
        ),
    ),
    83: (
        "an INVITE without an offer",
        (f"{_BRIDGE}::test_83_85_86_87_an_offer_that_cannot_be_taken_is_refused_at_once",),
    ),
    84: (
        "the torture messages of RFC 4475",
        (f"{_TORTURE}::test_torture_messages_make_no_room_and_cost_no_packet",),
    ),
    85: (
        "an offer of codecs that the bridge has not",
        (f"{_BRIDGE}::test_83_85_86_87_an_offer_that_cannot_be_taken_is_refused_at_once",),
    ),
    86: (
        "an offer of SRTP where the trunk has it off",
        (f"{_BRIDGE}::test_83_85_86_87_an_offer_that_cannot_be_taken_is_refused_at_once",),
    ),
    87: (
        "an offer with odd addresses, ports or streams",
        (
            f"{_BRIDGE}::test_83_85_86_87_an_offer_that_cannot_be_taken_is_refused_at_once",
            f"{_BRIDGE}::test_87_an_odd_offer_breaks_nothing",
        ),
    ),
    88: (
        "an INVITE that is sent again",
        (f"{_BRIDGE}::test_88_an_invite_that_is_sent_again_is_one_call",),
    ),
    89: (
        "BYE and NOTIFY in a dialog that never was",
        (f"{_BRIDGE}::test_89_what_is_said_in_a_dialog_that_never_was_is_refused",),
    ),
    90: (
        "methods that the bridge has not",
        (
            f"{_BRIDGE}::test_90_methods_that_the_bridge_has_not_are_not_allowed",
            f"{_DOOR}::test_a_pbx_that_asks_whether_we_live_is_answered_and_other_methods_are_"
            "not_taken",
        ),
    ),
    91: (
        "a caller who is no number",
        (
            f"{_BRIDGE}::test_91_a_caller_that_is_no_number_is_nobody_and_breaks_nothing",
            "unit/dialer/test_inbound_hours.py::test_a_caller_without_a_number_has_none",
        ),
    ),
    92: (
        "headers that claim what they cannot know",
        (
            f"{_BRIDGE}::test_92_forged_headers_open_nothing_and_make_nobody_somebody_else",
            f"{_DOOR}::test_a_from_header_that_quotes_the_list_gets_past_it_so_a_firewall_has_to_"
            "stand_there",
        ),
    ),
}


def test_every_number_has_its_tests() -> None:
    assert CATALOGUE.keys() == {*range(63, 75), *range(82, 93)}


@pytest.mark.parametrize("number", CATALOGUE)
def test_the_tests_of_a_number_are_there(number: int) -> None:
    _, tests = CATALOGUE[number]
    assert tests
    assert [test for test in tests if not is_there(test)] == []
