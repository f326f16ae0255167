"""The public API and the carrier's ledger of the running stack, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway


@pytest.fixture(scope="module")
def gateway(running: dict[str, Any]) -> Iterator[Gateway]:
    """Give the public API with the sandbox's own key."""
    client = Gateway(running["api_url"], running["api_key"])
    yield client
    client.close()


@pytest.fixture(scope="module")
def ledger(running: dict[str, Any]) -> Iterator[CarrierLedger]:
    """Give the carrier's own record."""
    client = CarrierLedger(running["carrier_control_url"])
    yield client
    client.close()
