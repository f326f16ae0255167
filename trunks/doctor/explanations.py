"""What each failure of a trunk means in words, what mends it, and which setting it is.

``EXPLANATIONS`` is the closed list; docs/doctor.md is generated from it. The failures are those
that livekit/sip's users report, as livekit-sip 1.8.0 and livekit-server 1.13.5 show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One failure.

    Shape: ``seen`` is how it shows, to people and in logs; ``means`` and ``fix`` are sentences;
    ``settings`` names what to change, of trunks.yaml unless told otherwise; ``upstream`` are the
    addresses of reports and changes.
    """

    seen: str
    means: str
    fix: str
    settings: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()


_SIP = "https://github.com/livekit/sip"
_SERVER = "https://github.com/livekit/livekit"
_LOGIN = ("outbound.username", "outbound.password")

EXPLANATIONS: Mapping[str, Explanation] = {
    # The way to the carrier.
    "no_such_name": Explanation(
        seen="lookup ...: no such host",
        means="No address belongs to this name, so no INVITE can leave.",
        fix="Correct the name; for Twilio it is the termination domain, NAME.pstn.twilio.com.",
        settings=("address", "domain", "SIP_TRUNK_ADDRESS"),
    ),
    "nobody_listens": Explanation(
        seen="connect: connection refused",
        means="The machine is there, and nothing on it takes SIP at this port and transport.",
        fix="Compare port and transport with the carrier's page: 5060 is for UDP and TCP, 5061 "
        "for TLS.",
        settings=("address", "transport"),
    ),
    "no_answer": Explanation(
        seen="a timeout: no response, CANCEL after the ringing time, deadline_exceeded",
        means="Requests leave and nothing comes back: a firewall drops them, the answers go to an "
        "address that is not ours, or the carrier ignores senders whom it does not know.",
        fix="Open the SIP port to the carrier both ways, let the carrier know our public address, "
        "and look at what the bridge tells carriers (sip_hostname, use_external_ip).",
        settings=(
            "address",
            "transport",
            "outbound.from_addresses",
            "use_external_ip of the bridge",
        ),
        upstream=(f"{_SIP}/issues/208",),
    ),
    "behind_nat": Explanation(
        seen="requests work, answers or audio do not",
        means="A router changes our addresses on the way. The bridge must tell carriers the public "
        "address, in Contact and in its session descriptions.",
        fix="In livekit-sip's configuration set use_external_ip: true (it asks a STUN server) or "
        "nat_1_to_1_ip to the public address, and forward the SIP and RTP ports unchanged.",
        settings=("use_external_ip of the bridge", "nat_1_to_1_ip of the bridge", "deliver_to"),
        upstream=(f"{_SIP}/issues/208", f"{_SIP}/issues/141"),
    ),
    # TLS and SRTP.
    "no_tls": Explanation(
        seen="tls: first record does not look like a TLS handshake",
        means="Something listens at this port and does not speak TLS.",
        fix="Use the carrier's port for TLS, usually 5061, or another transport.",
        settings=("address", "transport"),
    ),
    "unknown_authority": Explanation(
        seen="x509: certificate signed by unknown authority; a call ends as trunk_misconfigured",
        means="Nobody whom we trust vouches for the carrier's certificate, so nothing is sent.",
        fix="Let SSL_CERT_FILE in the bridge's environment name a file with the authority that "
        "signed it, and start the bridge again; the doctor reads the same variable.",
        settings=("SSL_CERT_FILE of the bridge",),
        upstream=(f"{_SIP}/pull/462",),
    ),
    "expired_certificate": Explanation(
        seen="x509: certificate has expired or is not yet valid",
        means="The carrier's certificate is out of its time, or a clock is wrong.",
        fix="Look at this machine's clock first; then ask the carrier to renew it.",
    ),
    "other_name": Explanation(
        seen="x509: certificate is valid for ..., not ...",
        means="The certificate is for another name. A bridge with a tls section in its "
        "configuration checks the chain and not the name, and calls all the same; one without it "
        "refuses.",
        fix="Dial the name that the certificate has, not an address.",
        settings=("address", "tls of the bridge"),
        upstream=(f"{_SIP}/pull/462",),
    ),
    "client_certificate": Explanation(
        seen="remote error: tls: certificate required",
        means="The carrier wants a certificate of ours (mutual TLS), and livekit-sip shows none.",
        fix="Let the carrier know us by address or by password instead.",
        upstream=(f"{_SIP}/issues/530",),
    ),
    "answered_in_clear": Explanation(
        seen="no common encryption profiles, after the answer; a call ends as trunk_misconfigured",
        means="We offered SRTP alone, and the carrier answered without it: the bridge hung up "
        "before a word. A phone was rung.",
        fix="Switch SRTP on at the carrier (Twilio: secure trunking), or encryption: disable.",
        settings=("encryption", "secure"),
    ),
    # What the carrier says.
    "forbidden": Explanation(
        seen="403 Forbidden, permission_denied",
        means="The carrier knows the request and will not carry it: a wrong password, a From that "
        "is not a number of this trunk, an address that is on no access list, or a country that "
        "the account may not call.",
        fix="Check in this order: user and password, the caller ID (some carriers want the user of "
        "the credentials in From, and the number in a P-Preferred-Identity header), our public "
        "address in the carrier's access list, the countries that the account may call.",
        settings=(*_LOGIN, "numbers", "outbound.from_addresses", "outbound.headers"),
        upstream=(f"{_SIP}/issues/333", f"{_SIP}/issues/553"),
    ),
    "not_authenticated": Explanation(
        seen="407 or 401, again and again; 412 failed_precondition: max auth retry attempts, or "
        "required auth but no username or password was provided",
        means="The carrier asks who we are, and what we answer does not satisfy it, or we have "
        "nothing to answer. LiveKit's API tells it as 412 and without a SIP code.",
        fix="Put the user and the password of the carrier's credential list into the trunk, apply, "
        "and make sure that the list is associated with this trunk; dialer trunks apply "
        "--renew-secrets sends them again.",
        settings=_LOGIN,
        upstream=(f"{_SIP}/issues/243",),
    ),
    "precondition": Explanation(
        seen="412: of SIP, Conditional Request Failed; of LiveKit's API, failed_precondition",
        means="Of SIP's 412 a carrier's own rule for the request was not met. LiveKit's API also "
        "says 412 where a carrier answers 5xx, asks for a password that the trunk has not, or "
        "answers with no codec of ours: then the SIP code beside it, or the words, tell which.",
        fix="Ask the carrier which header or setting it wants; add headers by outbound.headers.",
        settings=("outbound.headers",),
        upstream=(f"{_SIP}/pull/579",),
    ),
    "number_unknown": Explanation(
        seen="404 Not Found with a SIP code",
        means="The carrier has no way to this number: it is not allocated, or not written as the "
        "carrier wants it.",
        fix="Dial E.164 with the plus, and try a number that surely exists.",
    ),
    "busy": Explanation(
        seen="486 Busy Here, 600 Busy Everywhere",
        means="The trunk works: the phone at the other end is busy.",
        fix="Call a number that answers.",
    ),
    "no_common_codec": Explanation(
        seen="488 Not Acceptable Here, 415, 606; inbound 400 with no-common-codec",
        means="The carrier takes none of what we offer: the codecs, or SRTP where it has none, or "
        "audio in clear where it wants SRTP.",
        fix="Offer PCMU and PCMA, which every phone network takes, and let encryption say what the "
        "carrier does: allow offers SRTP alone, as require does.",
        settings=("outbound.codecs", "encryption"),
    ),
    "carrier_unavailable": Explanation(
        seen="503 Service Unavailable, 500, 502, 504 with a SIP code",
        means="The carrier cannot carry calls just now, or not to this number.",
        fix="Try again, and give calls a second trunk: they go over to it before a phone rings.",
        settings=("priority", "prefixes"),
    ),
    "too_fast": Explanation(
        seen="503 CPS limit exceeded; 403 with words about channels",
        means="Calls come faster, or more of them at once, than the trunk allows.",
        fix="Let cps and concurrency be no more than the carrier's, or have the carrier's raised.",
        settings=("outbound.cps", "outbound.concurrency", "SIP_TRUNK_CPS"),
    ),
    "blocked": Explanation(
        seen="603 with X-Twilio-Error 32203, 607, 608",
        means="The carrier blocks calls to this number for good.",
        fix="Ask the carrier why; no other try will pass.",
    ),
    "refused": Explanation(
        seen="any other final response",
        means="The carrier, or the phone, refused the call with a code of its own.",
        fix="The code and the words beside it are the carrier's: its pages tell what they mean.",
    ),
    # LiveKit.
    "no_trunk": Explanation(
        seen="404 not_found: object cannot be found, without a SIP code; inbound, on LiveKit "
        "Cloud, 404 No trunk found",
        means="LiveKit has no such trunk: it was never applied, was deleted, or its Redis came "
        "back empty.",
        fix="dialer trunks apply; a running gateway makes its outbound trunks anew by itself.",
        settings=("deployment", "LIVEKIT_URL", "REDIS_URL"),
        upstream=(f"{_SERVER}/issues/3545", f"{_SIP}/issues/583"),
    ),
    "flood": Explanation(
        seen="486 with the reason flood in the bridge's log: Rejecting inbound flood; the caller "
        "hears ringing and then nothing",
        means="No inbound trunk or no dispatch rule takes this call, and the bridge drops it as "
        "noise. It has nothing to do with how many calls come.",
        fix="Number, source address and caller must all fit one inbound trunk, and a rule must "
        "name that trunk: dialer trunks apply makes both. inbound_numbers of a rule filters "
        "callers, not the number called.",
        settings=("numbers", "inbound.allowed_addresses"),
        upstream=(f"{_SIP}/issues/227", f"{_SIP}/issues/484", f"{_SIP}/issues/362"),
    ),
    "ambiguous": Explanation(
        seen="503 Try again later to the caller; the log says Multiple SIP Trunks matched",
        means="Two inbound trunks take the same call, and LiveKit takes neither.",
        fix="Leave the number on one of them; dialer trunks plan shows what is not ours.",
        settings=("numbers",),
    ),
    "shadowed": Explanation(
        seen="a caller reaches another room or agent than the file says",
        means="Another dispatch rule of the same trunk goes before ours.",
        fix="Remove that rule, or take the trunk out of its list.",
    ),
    "open_rule": Explanation(
        seen="rooms of callers whom nobody knows",
        means="A dispatch rule that names no trunk takes every INVITE, from anywhere.",
        fix="Let the rule name its trunks, or remove it; dialer trunks makes rules that do.",
        upstream=(f"{_SIP}/issues/460",),
    ),
    "wrong_password_in": Explanation(
        seen="407 and then 401 to the carrier",
        means="The inbound trunk asks callers for a password: a carrier that has none, or another "
        "one, is refused.",
        fix="Give the carrier user and password of inbound, with the realm LiveKit.",
        settings=("inbound.username", "inbound.password"),
    ),
    "no_bridge": Explanation(
        seen="503 unavailable: no response from servers, cpu exhausted; without a SIP code",
        means="No livekit-sip took the request: none runs, none shares livekit-server's Redis, or "
        "all are over their CPU limit.",
        fix="Start livekit-sip with the same Redis (and database number) as livekit-server.",
        settings=("redis of the bridge", "max_cpu_utilization of the bridge"),
        upstream=(f"{_SERVER}/issues/3875",),
    ),
    "caller_id": Explanation(
        seen="403 from the carrier, or calls shown as anonymous",
        means="The number in From must be one that the carrier knows on this trunk.",
        fix="Name the trunk's own numbers under numbers, in E.164, and apply.",
        settings=("numbers", "SIP_CALLER_IDS"),
    ),
    # Audio.
    "not_heard_by_us": Explanation(
        seen="one-way audio: the callee hears the agent, the agent hears nothing; media_timeout",
        means="The call was answered, and no RTP of the carrier reached the bridge: it is sent to "
        "an address that is not ours, or a firewall drops it.",
        fix="Let the bridge tell its public address (use_external_ip or nat_1_to_1_ip), and open "
        "its UDP ports (rtp_port, 10000-20000) to everywhere: carriers send audio from other "
        "addresses than they signal from.",
        settings=(
            "use_external_ip of the bridge",
            "nat_1_to_1_ip of the bridge",
            "rtp_port of the bridge",
        ),
        upstream=(f"{_SIP}/issues/141", f"{_SIP}/issues/337"),
    ),
    "not_heard_by_them": Explanation(
        seen="one-way audio: the agent hears the callee, the callee hears nothing",
        means="RTP comes in, and what we said did not come back from a number that echoes: the "
        "carrier names an address for its audio that we cannot reach, often a private one.",
        fix="Let livekit-sip send audio back to where it comes from (symmetric_rtp: true, or "
        "ignore_local_addr_in_sdp: true for private addresses only), and open UDP to the carrier.",
        settings=("symmetric_rtp of the bridge", "ignore_local_addr_in_sdp of the bridge"),
        upstream=(f"{_SIP}/issues/611", f"{_SIP}/pull/687"),
    ),
    # Versions.
    "known_bug": Explanation(
        seen="what the finding says",
        means="This version of a server has an error that is known and mended later.",
        fix="Take the version that is named, once its other changes were tried.",
        settings=("LIVEKIT_SERVER_IMAGE", "LIVEKIT_SIP_IMAGE"),
    ),
}
