"""The catalogue of bad input, as far as POST /calls, LiveKit's webhooks and the settings go.

Each number has what goes in, and names the tests that show what comes of it; the numbers of trunks
and of calls that come in are in tests/unit/trunks/test_catalogue.py.
"""

from __future__ import annotations

import pytest

from tests.integration.test_bad_input import BODIES
from tests.integration.test_bad_requests import RAW
from tests.kit.named_tests import is_there

_BODY = "integration/test_bad_input.py"
_ROWS = f"{_BODY}::test_a_body_that_cannot_be_taken_is_one_problem"
_NUMBER = f"{_BODY}::test_a_number_written_for_people_is_stored_in_e164"
_REQUEST = "integration/test_bad_requests.py"
_WEBHOOK = "contract/test_livekit_webhooks.py"
_SETTINGS = "unit/dialer/test_settings.py"
_PROBES = "contract/test_doctor_probes.py"

#: Numbers whose rows are in the table of bad bodies.
IN_THE_TABLE = (1, 2, 3, 4, 6, 7, *range(9, 20), 21, 22, 28, 30, 31, 38)

#: Number -> what it is about, and the tests.
CATALOGUE: dict[int, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(IN_THE_TABLE, ("a body that cannot be taken", (_ROWS,))),
    5: ("a number written for people", (_NUMBER,)),
    8: ("digits that are not ASCII", (_NUMBER,)),
    31: ("a duration out of its range", (_ROWS, f"{_BODY}::test_31_the_range_is_named")),
    36: (
        "what is no strict JSON",
        (f"{_REQUEST}::test_36_what_is_no_strict_json_is_refused_with_its_offset",),
    ),
    37: ("another content type", (f"{_REQUEST}::test_37_another_content_type_is_415",)),
    38: (
        "a field that nobody knows",
        (_ROWS, f"{_BODY}::test_38_the_closest_field_is_named"),
    ),
    39: (
        "a body beyond its limit",
        (
            f"{_REQUEST}::test_39_a_large_body_is_413_by_its_declared_length",
            f"{_REQUEST}::test_39_a_large_body_is_413_by_counting_it",
        ),
    ),
    40: ("a gzip bomb", (f"{_REQUEST}::test_40_a_gzip_bomb_is_not_unpacked",)),
    41: (
        "an Idempotency-Key that is none",
        (f"{_REQUEST}::test_41_an_idempotency_key_must_be_printable_and_short",),
    ),
    42: (
        "the same key with another body",
        (f"{_REQUEST}::test_42_the_same_key_with_another_body_is_a_mismatch",),
    ),
    43: (
        "a key whose request is in flight",
        ("integration/test_placing.py::test_43_a_key_in_flight_is_a_conflict_with_retry_after",),
    ),
    78: (
        "a webhook that LiveKit did not sign, an old one, and one of a megabyte",
        (
            f"{_WEBHOOK}::test_what_livekit_did_not_sign_is_refused",
            f"{_WEBHOOK}::test_a_webhook_of_another_time_is_refused",
            f"{_WEBHOOK}::test_a_body_beyond_a_megabyte_is_refused_before_it_is_read",
        ),
    ),
    79: (
        "LiveKit's own content type",
        (f"{_WEBHOOK}::test_both_content_types_are_taken_and_no_other",),
    ),
    80: ("a room that is not ours", (f"{_WEBHOOK}::test_a_room_that_is_not_ours_is_ignored",)),
    81: (
        "a room that is finished before anybody joined, and what comes again",
        (
            f"{_WEBHOOK}::test_a_finished_room_does_not_end_the_call_by_itself",
            f"{_WEBHOOK}::test_a_webhook_that_comes_again_is_one_event",
        ),
    ),
    98: (
        "settings that are missing",
        (f"{_SETTINGS}::test_every_missing_name_is_told_at_once_with_its_shape",),
    ),
    99: (
        "an address of another shape",
        (
            f"{_SETTINGS}::test_a_wrong_value_is_told_by_its_shape_and_not_repeated",
            f"{_PROBES}::test_a_livekit_that_is_not_there_is_told_with_its_setting",
        ),
    ),
    100: (
        "a key or a secret that LiveKit does not know",
        (f"{_PROBES}::test_a_key_that_livekit_does_not_know_is_told_with_both_names",),
    ),
    101: (
        "a clock that disagrees",
        (
            f"{_PROBES}::test_clocks_that_disagree_are_seen",
            "unit/dialer/test_doctor.py::test_101_a_clock_that_disagrees_is_a_doubt",
        ),
    ),
    102: (
        "a Redis with another password, without TLS, or not livekit-server's",
        (
            f"{_PROBES}::test_each_way_not_to_reach_redis_has_its_own_words",
            f"{_PROBES}::test_another_redis_than_livekits_is_found_out",
        ),
    ),
    103: (
        "a port that is taken",
        (
            "unit/dialer/test_taken_port.py::test_103_the_port_and_its_process_are_named",
            "unit/dialer/test_taken_port.py::test_103_the_api_does_not_start_and_says_why",
        ),
    ),
    104: (
        "SQLite on a network's disk, or for two dialers",
        (
            "integration/test_one_process.py::"
            "test_104_a_database_on_a_network_filesystem_is_refused",
            "integration/test_one_process.py::"
            "test_a_second_dialer_on_sqlite_is_refused_until_the_first_is_killed",
        ),
    ),
    105: (
        "secrets that are short or a placeholder",
        (
            f"{_SETTINGS}::test_a_wrong_value_is_told_by_its_shape_and_not_repeated",
            f"{_SETTINGS}::test_each_key_that_seals_is_a_long_one",
        ),
    ),
}


def test_every_number_has_its_tests() -> None:
    placing = {*range(1, 20), 21, 22, 28, 30, 31, *range(36, 44)}
    assert CATALOGUE.keys() == placing | {*range(78, 82), *range(98, 106)}


@pytest.mark.parametrize("number", CATALOGUE)
def test_the_tests_of_a_number_are_there(number: int) -> None:
    _, tests = CATALOGUE[number]
    assert tests
    assert [test for test in tests if not is_there(test)] == []


def test_a_number_of_the_table_has_its_rows() -> None:
    told = [row[0].split()[0] for row in (*BODIES, *RAW)]
    assert {*IN_THE_TABLE, 36} <= {int(first) for first in told if first.isdigit()}
