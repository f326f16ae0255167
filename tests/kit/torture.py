"""The messages of RFC 4475, each as what it does to a plain request.

A form says only where it differs: the bridge's number and a caller's own address stand in for the
RFC's hosts, so that a message means this bridge and looks up no name of anybody else's.

Shape: in every text {me} is the caller's host and port, {host} its host, {udp} the transport, {to}
the URI of the number that is called, {id} what nothing else has.
Source: RFC 4475; the sections are named beside the forms.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_PLAIN: Final = {
    "Via": "SIP/2.0/{udp} {me};branch=z9hG4bK{id}",
    "Max-Forwards": "70",
    "From": "sip:caller@{host};tag={id}",
    "To": "{to}",
    "Call-ID": "{id}@{host}",
    "CSeq": "8 {method}",
    "Contact": "<sip:caller@{me}>",
}
_AUDIO: Final = """\
v=0
o=mhandley 29739 7272939 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
"""
_SDP: Final = "application/sdp"


@dataclass(frozen=True)
class Form:
    """One message.

    Shape: ``start`` empty is the usual request line; a header of ``but`` replaces the plain one,
    None leaves it out; ``more`` are lines as they are; ``body`` None is a description of audio for
    an INVITE and nothing for others; ``length`` None is the true length, empty says none at all;
    ``after`` follows the message in the same datagram.
    """

    tag: str
    method: str = "INVITE"
    start: str = ""
    but: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    more: tuple[str, ...] = ()
    kind: str = _SDP
    body: str | None = None
    length: str | None = None
    after: str = ""

    def message(self, *, host: str, port: int, called: str, bridge: str, transport: str) -> bytes:
        """Write it for a caller at an address."""
        filled = {
            "{me}": f"{host}:{port}",
            "{host}": host,
            "{udp}": transport.upper(),
            "{to}": f"sip:{called}@{bridge}",
            "{method}": self.method,
            "{id}": f"{self.tag}.{secrets.token_hex(6)}",
        }
        body = _on_the_wire(self._body, filled)
        head = _on_the_wire("\n".join(self._head()), filled)
        length = str(len(body)) if self.length is None else self.length
        lines = [head, *([f"Content-Length: {length}".encode()] if length else [])]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body + _on_the_wire(self.after, filled)

    @property
    def _body(self) -> str:
        if self.body is not None:
            return self.body
        return _AUDIO if self.method == "INVITE" else ""

    def _head(self) -> list[str]:
        headers = {**_PLAIN, **self.but}
        return [
            self.start or f"{self.method} {{to}} SIP/2.0",
            *(f"{name}: {value}" for name, value in headers.items() if value is not None),
            *self.more,
            *([f"Content-Type: {self.kind}"] if self._body else []),
        ]


def _on_the_wire(text: str, filled: Mapping[str, str]) -> bytes:
    for name, value in filled.items():
        text = text.replace(name, value)
    return text.replace("\n", "\r\n").encode()


def _options(tag: str, **how: str | None) -> Form:
    return Form(tag, "OPTIONS", but=how)


_LONG: Final = "".join(f"a{'long' * 20}header{n}: {'value' * 30}\n" for n in range(12))

#: Section 3.1.1, unusual and valid.
VALID: Final = (
    Form(
        "wsinv",
        start="INVITE {to};unknownparam SIP/2.0",
        but=dict.fromkeys(("Via", "From", "To", "CSeq", "Contact", "Max-Forwards"), None),
        more=(
            "TO :\n {to} ;   tag    = 1918181833n",
            'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@{host}>\n  ;\n  tag = {id}',
            "MaX-fOrWaRdS: 0068",
            "cseq: 0009\n  INVITE",
            "Via  : SIP  /   2.0\n /{udp}\n    {me};branch={id}",
            "s :",
            "NewFangledHeader:   newfangled value\n continued newfangled value",
            "UnknownHeaderWithUnusualValue: ;;,,;;,;",
            "Route:\n <sip:{host};lr;unknownwith=value;unknown-no-value>",
            "v:  SIP  / 2.0  / TCP     {host}   ;\n  branch  =   z9hG4bK9ikj8  ,\n"
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239",
            'm:"Quoted string \\"\\"" <sip:jdrosen@{me}> ; newparam =\n'
            "      newvalue ;\n  secondparam ; q = 0.33",
        ),
    ),
    Form(
        "intmeth",
        "!interesting-Method0123456789_*+`.%indeed'~",
        start="!interesting-Method0123456789_*+`.%indeed'~ "
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
        "(doesn't-it)@{host} SIP/2.0",
        but={
            "Via": "SIP/2.0/{udp} {me};branch=z9hG4bK-.!%66*_+`'~{id}",
            "To": '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" '
            "<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@{host}>",
            "From": "token1~` token2'+_ token3*%!.- <sip:mundane@{host}>"
            ";fromParam''~+*_!.-%=\"\u0440\u0430\u0431\u043e\u0442\u0430\u044e\u0449\u0438\u0439\""
            ";tag=_token~1'+`*%!-.",
            "Call-ID": "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            "Max-Forwards": "255",
        },
        more=("extensionHeader-!.%*+_`'~:\ufeff\u5927\u505c\u96fb",),
    ),
    Form(
        "esc01",
        start="INVITE sip:sips%3Auser%40example.com@{host} SIP/2.0",
        but={
            "To": "sip:%75se%72@{host}",
            "From": "<sip:I%20have%20spaces@{host}>;tag={id}",
            "Contact": "\n  <sip:cal%6Cer@{me};%6C%72;n%61me=v%61lue%25%34%31>",
        },
    ),
    Form(
        "escnull",
        "REGISTER",
        but={
            "To": "sip:null-%00-null@{host}",
            "From": "sip:null-%00-null@{host};tag={id}",
            "Contact": "<sip:%00@{host}>\nContact: <sip:%00%00@{host}>",
        },
    ),
    Form(
        "esc02",
        "RE%47IST%45R",
        but={
            "To": '"%Z%45" <sip:resource@{host}>',
            "From": '"%Z%45" <sip:resource@{host}>;tag={id}',
            "Via": "SIP/2.0/{udp} {me};branch=z9hG4bK209%fzsnel234{id}",
            "Contact": "<sip:1@{host}>\nC%6Fntact: <sip:2@{host}>\nContact: <sip:3@{host}>",
        },
    ),
    _options("lwsdisp", From="caller<sip:caller@{host}>;tag={id}"),
    Form(
        "longreq",
        but={
            "To": '"I have a user name of ' + "extreme" * 12 + '" <{to}:6000;'
            "unknownparam1=very" + "long" * 20 + "value;longparam" + "name" * 25 + "=short>",
            "From": "sip:" + "amazinglylong" * 8 + "@{host};tag={id}" + "982424" * 24,
            "Call-ID": "longreq.one" + "really" * 20 + "longcallid.{id}",
            "Contact": "<sip:" + "amazinglylong" * 8 + "@{me}>",
        },
        more=(
            _LONG.rstrip("\n"),
            *(f"Via: SIP/2.0/TCP 192.0.2.{n};branch=z9hG4bKlong{n}" for n in range(10, 60)),
        ),
    ),
    Form(
        "dblreq",
        "REGISTER",
        after="\n\nINVITE {to} SIP/2.0\nVia: SIP/2.0/{udp} {me};branch=z9hG4bKsecond{id}\n"
        "t: {to}\nFrom: sip:caller@{host};tag=2{id}\nMax-Forwards: 8\nCall-ID: second{id}\n"
        "CSeq: 8 INVITE\nContent-Length: 0\n\n",
    ),
    Form(
        "semiuri",
        "OPTIONS",
        start="OPTIONS sip:user;par=u%40example.net@{host} SIP/2.0",
        more=("Accept: application/sdp, application/pkcs7-mime,\n        multipart/mixed",),
    ),
    _options(
        "transports",
        Via="SIP/2.0/{udp} {me};branch=z9hG4bK{id}\nVia: SIP/2.0/SCTP {host};branch=z9hG4bKk\n"
        "Via: SIP/2.0/TLS {host};branch=z9hG4bK2\nVia: SIP/2.0/UNKNOWN {host};branch=z9hG4bKa\n"
        "Via: SIP/2.0/TCP {host};branch=z9hG4bK0",
    ),
    Form(
        "mpart01",
        "MESSAGE",
        kind="multipart/mixed;boundary=7a9cbec02ceef655",
        body="--7a9cbec02ceef655\nContent-Type: text/plain\n\nHello\n--7a9cbec02ceef655\n"
        "Content-Type: application/octet-stream\n\n0\x02R\x06\t*H\r\x01\x07\x00\x02\x7f\n"
        "--7a9cbec02ceef655--\n",
    ),
    Form(
        "unreason",
        start="SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e - \u043f\u0440\u043e",
        but={"To": "{to};tag=2229"},
    ),
    Form("noreason", start="SIP/2.0 100 ", but={"To": "{to};tag=902jndnke3"}, body=""),
)

#: Section 3.1.2, not valid.
INVALID: Final = (
    Form(
        "badinv01",
        but={"Via": "SIP/2.0/{udp} {me};;,;,,", "Contact": '"Joe" <sip:joe@{me}>;;;;'},
    ),
    Form("clerr", length="9999"),
    Form("ncl", length="-999"),
    Form(
        "scalar02",
        "REGISTER",
        but={
            "CSeq": "36893488147419103232 REGISTER",
            "Max-Forwards": "300",
            "Contact": "<sip:user@{host}>\n  ;expires=280297596632815",
        },
        more=("Expires: 1" + "0" * 100,),
    ),
    Form(
        "scalarlg",
        start="SIP/2.0 503 Service Unavailable",
        but={"CSeq": "9292394834772304023312 OPTIONS"},
        more=("Retry-After: 949302838503028349304023988", 'Warning: 1812 overture "In Progress"'),
        body="",
    ),
    Form("quotbal", but={"To": '"Mr. J. User <{to}>'}),
    Form("ltgtruri", start="INVITE <{to}> SIP/2.0"),
    Form("lwsruri", start="INVITE {to}; lr SIP/2.0", but={"CSeq": "2130706432 INVITE"}),
    Form("lwsstart", start="INVITE  {to}  SIP/2.0"),
    Form("trws", "OPTIONS", start="OPTIONS {to} SIP/2.0  "),
    Form("escruri", start="INVITE {to}?Route=%3Csip:{host}%3E SIP/2.0"),
    Form("baddate", more=("Date: Fri, 01 Jan 2010 16:00:00 EST",)),
    Form("regbadct", "REGISTER", but={"Contact": "sip:user@{host}?Route=%3Csip:{host}%3E"}),
    _options("badaspec", To='"Watson, Thomas" < {to} >'),
    _options("baddn", From="Bell, Alexander <sip:a.g.bell@{host}>;tag={id}"),
    Form(
        "badvers",
        "OPTIONS",
        start="OPTIONS {to} SIP/7.0",
        but={"Via": "SIP/7.0/{udp} {me};branch=z9hG4bK{id}"},
    ),
    _options("mismatch01", CSeq="8 INVITE"),
    Form("mismatch02", "NEWMETHOD", but={"CSeq": "8 INVITE"}, body=_AUDIO),
    Form("bigcode", start="SIP/2.0 4294967301 better not break the receiver", body=""),
)

#: Sections 3.2 to 3.4: transactions, what an application must refuse, and RFC 2543.
BEYOND_SYNTAX: Final = (
    _options("badbranch", Via="SIP/2.0/{udp} {me};branch=z9hG4bK"),
    Form("insuf", but=dict.fromkeys(("From", "To", "Call-ID", "Max-Forwards", "Contact"), None)),
    Form("unkscm", "OPTIONS", start="OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
    Form("novelsc", "OPTIONS", start="OPTIONS soap.beep://{host}:3002 SIP/2.0"),
    Form(
        "unksm2",
        "REGISTER",
        but={
            "To": "isbn:2983792873",
            "From": "<http://www.example.com>;tag={id}",
            "Contact": "<name:John_Smith>",
        },
    ),
    Form(
        "bext01",
        "OPTIONS",
        more=("Require: nothingSupportsThis, nothingSupportsThisEither", "Proxy-Require: norDoWe"),
    ),
    Form(
        "invut",
        kind="application/unknownformat",
        body='<audio>\n <pcmu port="443"/>\n</audio>\n',
    ),
    Form("regaut01", "REGISTER", more=("Authorization: NoOneKnowsThisScheme opaque-data=here",)),
    Form(
        "multi01",
        more=(
            "CSeq: 59 INVITE",
            "Call-ID: second{id}",
            "To: sip:other@{host}",
            "From: sip:caller@{host};tag=2923420123",
            "Contact: <sip:caller@{host}>",
            "Max-Forwards: 5",
        ),
    ),
    Form(
        "mcl01",
        "OPTIONS",
        more=("Content-Length: 13",),
        kind="text/plain",
        body="There's no way to know how many octets are supposed to be here.\n",
        length="5",
    ),
    Form(
        "bcast",
        start="SIP/2.0 200 OK",
        but={"To": "{to};tag=2229"},
        more=("Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",),
    ),
    Form("zeromf", "OPTIONS", but={"Max-Forwards": "0"}),
    Form("cparam01", "REGISTER", but={"Contact": "sip:+19725552222@{host};unknownparam"}),
    Form("cparam02", "REGISTER", but={"Contact": "<sip:+19725552222@{host};unknownparam>"}),
    Form("regescrt", "REGISTER", but={"Contact": "<sip:user@{host}?Route=%3Csip:{host}%3E>"}),
    Form("sdp01", more=("Accept: text/nobodyKnowsThis",)),
    Form(
        "inv2543",
        but={
            "Via": "SIP/2.0/{udp} {me}",
            "From": "<sip:+13035551111@{host};user=phone>",
            "To": "{to};user=phone",
            "Max-Forwards": None,
            "Contact": None,
        },
        more=("Record-Route: <sip:UserB@{host};maddr={host}>",),
        length="",
    ),
    Form(
        "test",
        start="INVITE {to}",
        but={
            **dict.fromkeys(_PLAIN, None),
            "TO ": "alan@{host}",
            "From": "ralph@{host}",
            "MaX-fOrWaRdS": "0068",
            "Call-ID": "{id}",
        },
        more=("Xyzzy-3: INVITE", "Meaning: foo bar spam", "Foobar roobar"),
        body="v=0\ntesting=123\n",
    ),
)

FORMS: Final = (*VALID, *INVALID, *BEYOND_SYNTAX)
