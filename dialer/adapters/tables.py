"""The tables, once, for SQLite and Postgres.

Every table of a tenant's has the key ``(tenant_id, id)``, and references carry the tenant with
them, so that a row can never point into another tenant. Times are stored in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on both databases; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            # Within a day of the first or last moment that there is: as good as that moment.
            return value.replace(tzinfo=UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    #: The first characters, for people to tell keys apart.
    Column("prefix", String(16), nullable=False),
    #: SHA-256 of the whole key, hexadecimal; the key itself is shown once and never stored.
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
)

calls = Table(
    "calls",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("call_type", String(8), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("phone_number", String(32)),
    #: The same as the caller of the API wrote it.
    Column("phone_number_given", Text),
    Column("caller_id", String(32)),
    #: Whether who asked for the call chose it; else it is the trunk's to choose.
    Column("caller_id_given", Boolean),
    Column("agent", String(128), nullable=False),
    Column("variables", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("ring_timeout_seconds", Integer, nullable=False),
    Column("max_duration_seconds", Integer, nullable=False),
    #: Why a queued call is not being dialled (WaitingFor); null once it moves.
    Column("waiting_for", String(32)),
    Column("hangup_requested_at", UtcDateTime),
    Column("outcome", String(32)),
    Column("ended_by", String(16)),
    Column("ended_reason", String(32)),
    Column("sip_status_code", Integer),
    Column("sip_status", Text),
    Column("hangup_cause", Integer),
    Column("hangup_cause_source", String(16)),
    Column("answered_by", String(32)),
    Column("recording_path", Text),
    #: One for each status, set once.
    Column("queued_at", UtcDateTime, nullable=False),
    Column("dispatching_at", UtcDateTime),
    Column("dialing_at", UtcDateTime),
    Column("ringing_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    #: The sequence of the call's newest event.
    Column("last_sequence", Integer, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
    Index("ix_calls_tenant_queued", "tenant_id", "queued_at", "id"),
    Index("ix_calls_status", "status", "queued_at"),
    #: Alone enough to count a tenant's queue, which is done for every batch of new calls.
    Index("ix_calls_tenant_status", "tenant_id", "status"),
)

#: Of the attempts that are over, the few whose room may still be there.
_ROOM_LEFT = text("ended_at IS NOT NULL AND room IS NOT NULL AND room_gone_at IS NULL")

attempts = Table(
    "attempts",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("call_id", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    #: Fencing token: counts the claims; a permit asked for with an older one is refused.
    Column("fence", Integer, nullable=False),
    #: How often a worker was asked for since the claim.
    Column("dispatches", Integer, nullable=False),
    Column("dispatched_at", UtcDateTime),
    Column("lease_owner", String(128)),
    #: Of a claimed attempt the end of the claim, of a waiting one the end of its rest.
    Column("lease_expires_at", UtcDateTime),
    Column("worker_id", String(128)),
    Column("room", String(128)),
    #: The name of the trunk that it was claimed for; null while it waits.
    Column("trunk", String(64)),
    #: The names of the trunks that refused it before the callee's network; none is tried again.
    Column("refused_by", JSON),
    #: Of a call that came in: the bridge's name for it, and for who is at its other end.
    Column("bridge_call_id", String(64)),
    Column("leg_identity", String(128)),
    #: Said to a caller outside the hours, instead of a conversation.
    Column("announcement", Text),
    #: Of a call that came in: since when the dialer itself has the caller, there being no agent,
    #: and when somebody took the call at the overflow number.
    Column("overflowed_at", UtcDateTime),
    Column("overflow_answered_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("claimed_at", UtcDateTime),
    Column("agent_joined_at", UtcDateTime),
    Column("agent_ready_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    #: Which asking got the permit; asked for by the same again, it is given again.
    Column("permit_asked_by", String(64)),
    Column("ringing_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    #: Set when the room of an ended attempt was seen to be gone.
    Column("room_gone_at", UtcDateTime),
    ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
    UniqueConstraint("tenant_id", "call_id", "number", name="uq_attempts_call_number"),
    Index("ix_attempts_state", "state", "created_at"),
    Index("ix_attempts_room", "room"),
    #: As short as the work that is left: the reaper looks through it every few seconds.
    Index(
        "ix_attempts_room_left",
        "ended_at",
        sqlite_where=_ROOM_LEFT,
        postgresql_where=_ROOM_LEFT,
    ),
    Index("uq_attempts_bridge_call_id", "bridge_call_id", unique=True),
)

events = Table(
    "events",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("call_id", String(64), primary_key=True),
    #: Counts from 1 within the call, in the order in which things were learned.
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("attempt_id", String(64)),
    Column("type", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("source_sequence", String(128), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("data", JSON, nullable=False),
    ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
    UniqueConstraint(
        "tenant_id", "call_id", "attempt_id", "source", "source_sequence", name="uq_events_witness"
    ),
)

inbound_numbers = Table(
    "inbound_numbers",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    #: In E.164; one number is one tenant's, for who calls it names none.
    Column("number", String(32), nullable=False, unique=True),
    Column("agent", String(128), nullable=False),
    Column("enabled", Boolean, nullable=False),
    #: Whose it is: the deployment of the file that it was made by, empty where nobody did.
    Column("deployment", String(16), nullable=False),
    #: See telephony/opening_hours.py; null is open always.
    Column("hours", JSON(none_as_null=True)),
    Column("closed_message", Text),
    Column("overflow_number", String(32)),
    Column("blocked_callers", JSON, nullable=False),
    #: Who is asked which agent answers, and the secret that signs the question.
    Column("webhook_url", Text),
    #: See dialer/routing/sealing.py; null where there is none.
    Column("webhook_secret_sealed", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    #: SHA-256 of the canonical body, hexadecimal.
    Column("body_hash", String(64), nullable=False),
    Column("call_id", String(64), nullable=False),
    #: The first answer, given again word for word; null while it is not known yet.
    Column("response_status", Integer),
    Column("response_body", JSON),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
)

#: Sign-in links that were used and sessions that were signed out; a row is kept until the token
#: would have expired by itself.
spent_tokens = Table(
    "spent_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

#: The trunks that were made at carriers. They are the operator's and no tenant's.
trunks = Table(
    "trunks",
    metadata,
    Column("name", String(64), primary_key=True),
    #: What it is called in LiveKit.
    Column("livekit_name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("transport", String(8), nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("username", Text, nullable=False),
    #: See dialer/routing/sealing.py; empty where there is none.
    Column("sealed_password", Text, nullable=False),
    Column("prefixes", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("cps", Float, nullable=False),
    Column("concurrency", Integer),
    Column("destination_country", String(2), nullable=False),
    Column("headers", JSON, nullable=False),
    Column("encryption", String(8), nullable=False),
    #: Those to offer, the best first; none is the bridge's own choice.
    Column("codecs", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    #: Whose it is: the deployment of the file that it was made by.
    Column("deployment", String(16), nullable=False),
    Column("marks", JSON, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

#: The trunks that calls come in by: what LiveKit is to have of them.
inbound_trunks = Table(
    "inbound_trunks",
    metadata,
    Column("name", String(64), primary_key=True),
    #: Whose it is: the deployment of the file that it was made by.
    Column("deployment", String(16), nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("allowed_addresses", JSON, nullable=False),
    Column("username", Text, nullable=False),
    #: See dialer/routing/sealing.py; empty where there is none.
    Column("sealed_password", Text, nullable=False),
    Column("encryption", String(8), nullable=False),
    #: What workers register with.
    Column("agent_name", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

#: Each turn of the switch between our own LiveKit and its fallback; the newest holds.
livekit_turns = Table(
    "livekit_turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("use", String(16), nullable=False),
    Column("turned_by", String(128), nullable=False),
    Column("turned_at", UtcDateTime, nullable=False),
)

#: What became of each INVITE that left by a trunk, for as long as its health is told by it.
trunk_uses = Table(
    "trunk_uses",
    metadata,
    Column("attempt_id", String(64), primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("trunk", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    #: An EndedReason, or why a permit came back.
    Column("reason", String(32), nullable=False),
    #: Whether the trunk is to blame.
    Column("failed", Boolean, nullable=False),
    Column("answered", Boolean, nullable=False),
    #: Seconds from the answer to the end.
    Column("talked", Float, nullable=False),
    Index("ix_trunk_uses_at", "at", "trunk"),
)

#: How many calls ended, and how; see dialer/calls/endings.py.
ended_calls = Table(
    "ended_calls",
    metadata,
    Column("outcome", String(32), primary_key=True),
    Column("ended_reason", String(32), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
)
