"""Which adapter speaks for which kind of carrier; an SDK is only loaded where one is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from trunks.desired import Desired, LiveKit
from trunks.resources import Adapter, Complaint

#: Kind in the file -> module and class.
ADAPTERS: Mapping[str, tuple[str, str]] = {
    "twilio": ("trunks.twilio_trunking", "TwilioTrunking"),
    "telnyx": ("trunks.telnyx", "TelnyxTrunking"),
    "plivo": ("trunks.plivo", "PlivoZentrunk"),
    "wavix": ("trunks.wavix", "WavixTrunking"),
    "generic": ("trunks.generic", "GenericTrunk"),
}
LIVEKIT = ("trunks.livekit_sip", "LiveKitSip")


def unsupported(desired: Desired) -> list[Complaint]:
    """Name the carriers that no adapter speaks for."""
    known = ", ".join(sorted(ADAPTERS))
    return [
        Complaint(
            ("carriers", name, "kind"),
            "not_supported",
            f"{carrier.kind} is not supported yet. These are: {known}; any SIP trunk goes as "
            "generic, set up at the carrier by hand.",
        )
        for name, carrier in desired.carriers.items()
        if carrier.kind not in ADAPTERS
    ]


def adapters(desired: Desired) -> list[Adapter]:
    """Build the adapters that a file needs: its carriers', and LiveKit's last."""
    built = [
        _load(ADAPTERS[carrier.kind])(
            carrier_name=name, carrier=carrier, deployment=desired.deployment
        )
        for name, carrier in desired.carriers.items()
    ]
    built.append(livekit_of(desired.livekit, desired.deployment))
    return built


def livekit_of(livekit: LiveKit, deployment: str) -> Adapter:
    """Build the adapter for one LiveKit."""
    return _load(LIVEKIT)(livekit=livekit, deployment=deployment, agent_name=livekit.agent_name)


def _load(made_by: tuple[str, str]) -> Callable[..., Adapter]:
    module, name = made_by
    return cast("Callable[..., Adapter]", getattr(import_module(module), name))
