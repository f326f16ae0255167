"""Every error code, once: its HTTP status, its title, and what its reader may do.

``docs/errors.md`` is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What a code means on the wire, and what its reader may do."""

    status: int
    title: str
    advice: str


PROBLEMS: dict[str, Problem] = {
    "invalid_json": Problem(
        400,
        "The body is not valid JSON",
        "Send strict JSON in UTF-8: no byte order mark, no trailing comma, no NaN, no key twice. "
        "`offset` is the byte at which reading stopped.",
    ),
    "invalid_idempotency_key": Problem(
        400, "The Idempotency-Key cannot be used", "Send 1 to 255 printable ASCII characters."
    ),
    "unauthorized": Problem(
        401,
        "The credentials are missing or not valid",
        "Send `Authorization: Bearer` with an API key that is neither revoked nor expired.",
    ),
    "caller_id_not_owned": Problem(
        403,
        "This caller ID is not yours",
        "Use a number of SIP_CALLER_IDS or of a trunk, or leave `caller_id` out.",
    ),
    "emergency_blocked": Problem(
        403,
        "Emergency and crisis numbers are never dialled",
        "Nothing to do: a machine must not call these.",
    ),
    "premium_blocked": Problem(
        403,
        "This number charges whoever calls it",
        "Nothing to do: premium, shared-cost and personal numbers are never dialled.",
    ),
    "high_risk_destination": Problem(
        403,
        "Satellite and international networks are never dialled",
        "Nothing to do: codes that belong to no country cost too much to be called by mistake.",
    ),
    "country_not_allowed": Problem(
        403,
        "Calls to this country are not allowed",
        "Whoever runs the gateway adds it to ALLOWED_COUNTRIES, which defaults to the countries of "
        "SIP_CALLER_IDS. +1 is many countries: Canada and each of the Caribbean are their own.",
    ),
    "no_trunk_for_destination": Problem(
        403,
        "No trunk carries calls to this number",
        "Whoever runs the gateway adds a trunk whose prefixes fit, or leaves its prefixes out. A "
        "`caller_id` allows only the trunks that own it: leave it out, or use another one.",
    ),
    "cross_site": Problem(
        403,
        "The request comes from another site",
        "The page's cookie is taken from the page itself only; programs use an API key.",
    ),
    "agent_not_found": Problem(
        404, "There is no such agent", "Use a name from the agents file; the default is `default`."
    ),
    "call_not_found": Problem(404, "There is no such call", "Check the id."),
    "not_found": Problem(404, "There is nothing here", "Check the path; /docs lists all of them."),
    "method_not_allowed": Problem(
        405, "This path does not take this method", "The Allow header lists those that it takes."
    ),
    "idempotency_in_flight": Problem(
        409,
        "The first request with this key is still being worked on",
        "Send the same request again after Retry-After seconds.",
    ),
    "number_taken": Problem(
        409,
        "This number is somebody else's",
        "A number belongs to one tenant of a deployment: take it away there first.",
    ),
    "permit_refused": Problem(
        409,
        "This attempt may not be dialled",
        "For workers: leave the room without a word; somebody else has the permit or the call is "
        "over.",
    ),
    "body_too_large": Problem(
        413,
        "The body is too large",
        "Stay under 256 KB. Compressed bodies are not taken.",
    ),
    "unsupported_media_type": Problem(
        415, "The body is of a type that is not taken", "Send `Content-Type: application/json`."
    ),
    "required": Problem(422, "A field is missing", "Add the field that `field` names."),
    "invalid_type": Problem(
        422,
        "A field is of the wrong type",
        "Numbers are numbers and texts are texts; leave a field out rather than sending null.",
    ),
    "invalid_value": Problem(422, "A field has a value that is not taken", "See `detail`."),
    "webhook_url_forbidden": Problem(
        422,
        "This URL is never called",
        "Use https and a host of the public network, without user and password. What is in your "
        "own network is named in WEBHOOK_ALLOWED_NETWORKS.",
    ),
    "out_of_range": Problem(422, "A number is out of range", "`detail` names the range."),
    "too_large": Problem(422, "A field is too large", "`detail` names the limit."),
    "too_deep": Problem(422, "A field is nested too deeply", "`detail` names the limit."),
    "unknown_field": Problem(
        422, "There is no such field or parameter", "`hint` names the closest one that there is."
    ),
    "invalid_number": Problem(
        422, "This is not a phone number", "Write it in E.164 form, like +14155550100."
    ),
    "not_e164": Problem(
        422,
        "The phone number is not in E.164 form",
        "Write a plus, the country code and the number, like +14155550100.",
    ),
    "invalid_characters": Problem(
        422,
        "The phone number holds characters that none has",
        "Send digits, spaces and ().-/ only.",
    ),
    "letters_not_allowed": Problem(
        422, "The phone number holds letters", "Write the digits behind the letters."
    ),
    "use_dtmf_field": Problem(
        422,
        "Extensions do not belong in the number",
        "Send the number alone; let the agent press the digits after the answer.",
    ),
    "sip_uri_not_allowed": Problem(
        422, "This is a URI, not a phone number", "Write the number in E.164 form."
    ),
    "caller_id_invalid": Problem(
        422,
        "The caller ID is not a phone number",
        "Calls are never anonymous: use a number you own.",
    ),
    "self_call": Problem(
        422, "The call would ring the number it comes from", "Use another number or caller ID."
    ),
    "variable_missing": Problem(
        422, "The agent needs a variable that was not sent", "Add it to `variables`."
    ),
    "idempotency_mismatch": Problem(
        422,
        "This Idempotency-Key came with another body before",
        "Use a new key for a new request; repeat the same body for a repeated one.",
    ),
    "invalid_cursor": Problem(
        422, "The cursor is not one of ours", "Use `next_cursor` of the page before, as it is."
    ),
    "queue_full": Problem(
        429, "Too many calls are waiting", "Send it again after Retry-After seconds."
    ),
    "internal_error": Problem(
        500, "Something went wrong on our side", "The log has the cause under the X-Request-Id."
    ),
    "database_unavailable": Problem(
        503, "The database cannot be reached", "Send it again after Retry-After seconds."
    ),
    "media_server_unavailable": Problem(
        503, "LiveKit cannot be reached", "Send it again after Retry-After seconds."
    ),
    "redis_unavailable": Problem(
        503, "Redis cannot be reached", "Send it again after Retry-After seconds."
    ),
    "no_worker": Problem(
        503, "No worker can take the call now", "Send it again after Retry-After seconds."
    ),
    "trunk_paced": Problem(
        503,
        "The trunk takes no call for the moment",
        "For workers: ask for the permit again.",
    ),
    "trunk_not_configured": Problem(
        503,
        "There is no trunk to call through",
        "Set SIP_TRUNK_ADDRESS to the carrier's host, like example.pstn.twilio.com, and "
        "SIP_CALLER_IDS to your numbers, like +14155550100.",
    ),
}
