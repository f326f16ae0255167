"""Tables, an API key, tokens and a sign-in link of the dialer, made in one short process.

The dialer's own commands would do the same one by one, and load the dialer each time.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime

from dialer import migrations
from dialer.adapters.database import Database
from dialer.settings import TokenSettings, load
from dialer.tenants.keys import Keys
from dialer.tenants.tokens import Tokens
from telephony.call import DEFAULT_TENANT


def main(arguments: list[str]) -> None:
    """Print as JSON: ``console_url``, tokens for the named workers, and a key when asked for one.

    Shape: ``key`` or ``no-key``, then the ids of workers.
    """
    wanted, *workers = arguments
    settings = load(TokenSettings)
    migrations.upgrade(settings.database_url)
    tokens = Tokens(settings.token_secret.get_secret_value(), now=lambda: datetime.now(UTC))
    link = tokens.mint_link(DEFAULT_TENANT)
    made = {
        "api_key": asyncio.run(_key(settings.database_url)) if wanted == "key" else None,
        "worker_tokens": {worker: tokens.mint_worker_token(worker) for worker in workers},
        "console_url": f"{settings.base_url}/console/login?token={link}",
    }
    print(json.dumps(made))


async def _key(database_url: str) -> str:
    database = Database(database_url)
    try:
        async with database.transaction() as tx:
            key = await Keys(tx, DEFAULT_TENANT).create("sandbox", now=datetime.now(UTC), life=None)
            return key.secret
    finally:
        await database.close()


if __name__ == "__main__":
    main(sys.argv[1:])
