"""What alembic runs; ``dialer.migrations`` gives it a connection inside a transaction."""

from __future__ import annotations

from alembic import context

from dialer.adapters.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter tables in place.
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
