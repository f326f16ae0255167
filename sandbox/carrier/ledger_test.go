package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// crossing is one message of a scene, in the words of a ladder diagram.
func crossing(direction, what, cseq, branch string, marks ...string) wireMessage {
	m := wireMessage{direction: direction, line: what, callID: "c1", branch: branch, cseq: cseq}
	_, m.method, _ = strings.Cut(cseq, " ")
	_, _ = fmt.Sscanf(what, "%d", &m.status)
	for _, mark := range marks {
		m.signed = m.signed || mark == "signed"
		m.inDialog = m.inDialog || mark == "in dialog"
	}
	return m
}

func playScene(direction string, scene ...wireMessage) *Record {
	l := newLedger()
	r := l.open("c1", direction, "+14155550100", "+14155550000", "talks")
	for _, m := range scene {
		l.note(m)
	}
	return r
}

// then continues a scene without touching the one it continues.
func then(scene []wireMessage, more ...wireMessage) []wireMessage { return slices.Concat(scene, more) }

func TestARecordFollowsTheWire(t *testing.T) {
	challengeScene := []wireMessage{
		crossing("rx", "INVITE", "1 INVITE", "a"), crossing("tx", "407", "1 INVITE", "a"),
		crossing("rx", "ACK", "1 ACK", "a"), crossing("rx", "INVITE", "2 INVITE", "b", "signed"),
	}
	ringing := then(challengeScene, crossing("tx", "100", "2 INVITE", "b"), crossing("tx", "180", "2 INVITE", "b"))
	answered := then(ringing, crossing("tx", "200", "2 INVITE", "b"), crossing("rx", "ACK", "2 ACK", "c"))
	cases := []struct {
		name, direction string
		scene           []wireMessage
		state, endedBy  string
		final, invites  int
	}{
		{"challenged and gone", fromBridge, challengeScene[:3], stateChallenged, "", 407, 1},
		{"rings", fromBridge, ringing, stateRinging, "", 407, 1},
		{"busy", fromBridge, then(challengeScene, crossing("tx", "486", "2 INVITE", "b")), stateEnded, byCarrier, 486, 1},
		{"canceled", fromBridge, then(ringing,
			crossing("rx", "CANCEL", "2 CANCEL", "b"), crossing("tx", "200", "2 CANCEL", "b"),
			crossing("tx", "487", "2 INVITE", "b")), stateEnded, byBridge, 487, 1},
		{"answered", fromBridge, answered, stateAnswered, "", 200, 1},
		{"bridge hangs up", fromBridge, then(answered, crossing("rx", "BYE", "3 BYE", "d")), stateEnded, byBridge, 200, 1},
		{"callee hangs up", fromBridge, then(answered, crossing("tx", "BYE", "1 BYE", "d")), stateEnded, byCarrier, 200, 1},
		{"held by re-INVITE", fromBridge, then(answered,
			crossing("tx", "INVITE", "1 INVITE", "e", "in dialog"), crossing("rx", "488", "1 INVITE", "e")),
			stateAnswered, "", 200, 1},
		{"glare", fromBridge, then(ringing,
			crossing("rx", "CANCEL", "2 CANCEL", "b"), crossing("tx", "200", "2 INVITE", "b"),
			crossing("tx", "200", "2 CANCEL", "b")), stateAnswered, "", 200, 1},
		{"dialled twice under one Call-ID", fromBridge, then(answered,
			crossing("rx", "INVITE", "1 INVITE", "z")), stateAnswered, "", 200, 2},
		{"our call, refused", toBridge, []wireMessage{
			crossing("tx", "INVITE", "1 INVITE", "a"), crossing("rx", "486", "1 INVITE", "a")},
			stateEnded, byBridge, 486, 1},
		{"our call, given up", toBridge, []wireMessage{
			crossing("tx", "INVITE", "1 INVITE", "a"), crossing("rx", "180", "1 INVITE", "a"),
			crossing("tx", "CANCEL", "1 CANCEL", "a"), crossing("rx", "487", "1 INVITE", "a")},
			stateEnded, byCarrier, 487, 1},
	}
	for _, c := range cases {
		r := playScene(c.direction, c.scene...)
		if r.State != c.state || r.EndedBy != c.endedBy || r.FinalStatus != c.final || r.Invites != c.invites {
			t.Errorf("%s: state %s, ended by %q, final %d, invites %d",
				c.name, r.State, r.EndedBy, r.FinalStatus, r.Invites)
		}
	}
}

func TestRepeatedRequestsAreCountedAndNotTakenForCalls(t *testing.T) {
	invite := crossing("rx", "INVITE", "1 INVITE", "a")
	r := playScene(fromBridge, invite, invite, invite, crossing("rx", "BYE", "2 BYE", "b"), crossing("rx", "BYE", "2 BYE", "b"))
	if r.Invites != 1 || r.Retransmissions != 3 || len(r.Messages) != 5 {
		t.Errorf("invites %d, retransmissions %d, messages %d", r.Invites, r.Retransmissions, len(r.Messages))
	}
}

func TestTheFirstEndStands(t *testing.T) {
	r := playScene(fromBridge, crossing("rx", "INVITE", "1 INVITE", "a"), crossing("tx", "486", "1 INVITE", "a"))
	first := r.EndedAt
	r.end(byBridge)
	if r.EndedBy != byCarrier || r.EndedAt != first {
		t.Error("a later end changed the record")
	}
}

func TestCallsAreFoundByNumberWithOrWithoutThePlus(t *testing.T) {
	l := newLedger()
	l.open("a", fromBridge, "+14155550101", "", "silent")
	l.open("b", fromBridge, "+14155550102", "", "busy")
	for _, number := range []string{"+14155550101", "14155550101", " 14155550101"} {
		if found := l.list(filter{number: number}); len(found) != 1 || found[0].CallID != "a" {
			t.Errorf("%q: %d found", number, len(found))
		}
	}
	if found := l.list(filter{since: time.Now().Add(time.Minute)}); len(found) != 0 {
		t.Error("calls before `since` were listed")
	}
}

func TestTheRecordKeepsTheExtensionHeadersOfItsInvite(t *testing.T) {
	invite := "INVITE sip:+14155550101@127.0.0.1 SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n" +
		"X-Attempt-Id: att_1\r\nUser-Agent: bridge\r\n\r\n"
	m, ok := readWireMessage("rx", []byte(invite))
	if !ok {
		t.Fatal("not read")
	}
	l := newLedger()
	r := l.open("a", fromBridge, "+14155550101", "", "silent")
	l.note(m)
	l.note(wireMessage{direction: "rx", method: "ACK", callID: "a", extra: map[string]string{"x-other": "1"}})
	if got := l.read(r).Headers; len(got) != 1 || got["x-attempt-id"] != "att_1" {
		t.Errorf("headers: %v", got)
	}
}

func TestForgettingKeepsLiveCalls(t *testing.T) {
	l := newLedger()
	l.end(l.open("a", fromBridge, "1", "", ""), byBridge)
	l.open("b", fromBridge, "1", "", "")
	l.forgetEnded()
	if found := l.list(filter{}); len(found) != 1 || found[0].CallID != "b" {
		t.Errorf("%d calls left", len(found))
	}
}

func TestTimesOnTheWireHaveMicrosecondsAndUnsetOnesAreNull(t *testing.T) {
	b, _ := json.Marshal([]stamp{{}, {time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}})
	if string(b) != `[null,"2026-01-02T03:04:05.000006Z"]` {
		t.Error(string(b))
	}
}

func TestAMessageIsReadInShortAndLongForm(t *testing.T) {
	long := "INVITE sip:+14155550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\n" +
		"From: \"A\" <sip:+1415@h>;tag=1\r\nTo: <sip:x@h>\r\nCall-ID: id-1\r\nCSeq: 7 INVITE\r\n" +
		"Proxy-Authorization: Digest x\r\n\r\n"
	m, ok := readWireMessage("rx", []byte(long))
	if !ok || m.callID != "id-1" || m.branch != "z9hG4bKx" || m.user != "+14155550100" || m.from != "+1415" ||
		!m.signed || m.inDialog || m.method != "INVITE" {
		t.Errorf("%v %+v", ok, m)
	}
	short := "SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP h;branch=b\r\nt: <sip:x@h>;tag=9\r\ni: id-1\r\nCSeq: 7 INVITE\r\n\r\n"
	m, ok = readWireMessage("tx", []byte(short))
	if !ok || m.status != 180 || m.method != "INVITE" || !m.inDialog {
		t.Errorf("%v %+v", ok, m)
	}
	for _, junk := range []string{"", "\r\n\r\n", "\x00\x01", "GET / HTTP/1.1\r\n\r\n", "INVITE sip:x SIP/2.0\r\n\r\n"} {
		if _, ok := readWireMessage("rx", []byte(junk)); ok {
			t.Errorf("%q was read as SIP", junk)
		}
	}
}

type refusingTap struct{ refused string }

func (r refusingTap) received(m wireMessage) bool { return m.method != r.refused }
func (refusingTap) sent(wireMessage)              {}

func TestATCPStreamIsCutIntoMessagesAndRefusedOnesVanish(t *testing.T) {
	message := func(method, body string) string {
		return fmt.Sprintf("%s sip:x@h SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 %s\r\nContent-Length: %d\r\n\r\n%s",
			method, method, len(body), body)
	}
	stream := message("INVITE", "v=0\r\n\r\nmore") + "\r\n\r\n" + message("BYE", "") + message("OPTIONS", "")
	near, far := net.Pipe()
	go func() {
		for _, b := range []byte(stream) { // the worst the network can do
			_, _ = far.Write([]byte{b})
		}
		_ = far.Close()
	}()
	got, _ := io.ReadAll(&tappedConn{Conn: near, tap: refusingTap{"BYE"}})
	if want := strings.Replace(stream, message("BYE", ""), "", 1); !bytes.Equal(got, []byte(want)) {
		t.Errorf("got %q", got)
	}
}

const bridgeOffer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=LiveKit\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=audio 20000 RTP/AVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n" +
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"

func TestAnOfferIsReducedToWhatATelephoneSpeaks(t *testing.T) {
	o, err := readSDP([]byte(bridgeOffer), []codec{pcmu, pcma}, asOffered)
	if err != nil || o.codecs[0].name != "PCMU" || o.dtmfType != 101 || o.remote.String() != "127.0.0.1:20000" {
		t.Errorf("%+v %v", o, err)
	}
	if o, err = readSDP([]byte(bridgeOffer), []codec{pcma}, asOffered); err != nil || o.codecs[0].name != "PCMA" {
		t.Errorf("PCMA only: %+v %v", o, err)
	}
	encrypted := strings.Replace(bridgeOffer, "RTP/AVP", "RTP/SAVP", 1)
	wideband := strings.Replace(bridgeOffer, "9 0 8 101", "9 101", 1)
	for name, body := range map[string]string{"encrypted": encrypted, "wideband": wideband, "empty": "", "junk": "v=x"} {
		if _, err := readSDP([]byte(body), []codec{pcmu, pcma}, asOffered); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestOurDescriptionIsReadBackAsWritten(t *testing.T) {
	d := description{
		local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000}, codecs: []codec{pcma},
		dtmfType: 101, direction: "sendonly", version: 2,
	}
	o, err := readSDP(d.bytes(), []codec{pcmu, pcma}, asOffered)
	if err != nil || len(o.codecs) != 1 || o.codecs[0].name != "PCMA" || o.dtmfType != 101 || o.remote.Port != 4000 {
		t.Errorf("%+v %v", o, err)
	}
}
