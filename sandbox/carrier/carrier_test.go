package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
)

const challengedLadder = "rx INVITE, tx 407, rx ACK, rx INVITE, tx 100"

func TestEveryRefusalEndsWithItsCodeAndOneRecord(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	for name, status := range map[string]int{
		"busy": 486, "declined": 603, "not_found": 404, "unavailable": 480, "incomplete": 484,
		"service_unavailable": 503, "server_error": 500, "forbidden": 403, "moved": 302,
		"not_acceptable": 488, "busy_everywhere": 600, "does_not_exist": 604, "request_timeout": 408,
		"gateway_timeout": 504, "bad_gateway": 502, "unsupported_media": 415,
		"not_acceptable_anywhere": 606, "carrier_block": 603, "cps_exceeded": 503,
	} {
		b := behaviourNamed(name)
		c := p.call(x, b.Number)
		if c.status() != status {
			t.Errorf("%s: %v", name, c.err)
		}
		r := x.onlyRecord(t, b.Number)
		if r.FinalStatus != status || r.EndedBy != byCarrier || r.Invites != 1 || !strings.HasPrefix(ladder(r), challengedLadder) {
			t.Errorf("%s: %d, by %s, %d invites: %s", name, r.FinalStatus, r.EndedBy, r.Invites, ladder(r))
		}
	}
}

func TestANumberNobodyHasIsNotFound(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	if c := p.call(x, "+33123456789"); c.status() != 404 {
		t.Error(c.err)
	}
}

func TestWrongOrMissingCredentialsDoNotPass(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	silent := behaviourNamed("silent").Number
	if c := p.dial(x, dialing{number: silent, username: trunkUser, password: "guess"}); c.status() != 403 {
		t.Errorf("wrong password: %v", c.err)
	}
	if c := p.dial(x, dialing{number: silent}); c.status() != 407 {
		t.Errorf("no password: %v", c.err)
	}
	if c := p.call(x, behaviourNamed("auth_loop").Number); c.status() != 407 {
		t.Errorf("auth loop: %v", c.err)
	}
}

func TestACallerWhoIsChallengedAndLeavesEndsInTheLedger(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	p.dial(x, dialing{number: behaviourNamed("silent").Number})
	until(t, "the record ends", func() bool {
		r := x.onlyRecord(t, behaviourNamed("silent").Number)
		return r.State == stateEnded && r.EndedBy == byBridge && r.FinalStatus == 407
	})
}

func TestA401ChallengeIsAnsweredToo(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("challenge_401")
	if c := p.call(x, b.Number); c.err != nil {
		t.Fatal(c.err)
	}
	until(t, "the callee hangs up", func() bool { return p.byeCount() == 1 })
	if r := x.onlyRecord(t, b.Number); !strings.HasPrefix(ladder(r), "rx INVITE, tx 401") || r.Invites != 1 {
		t.Error(ladder(r))
	}
}

func TestAnAnsweredCallCarriesAudioBothWaysAndEndsWithBYE(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("silent")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	until(t, "the tape runs", func() bool { return x.onlyRecord(t, b.Number).HeardWAV != "" })
	speech := make([]byte, frameSamples)
	pcmu.pack(speech, sine(500, sampleRate, frameSamples))
	for i := range 25 {
		c.send(0, uint16(i), uint32(i*frameSamples), speech)
	}
	packets := c.hear(patience, func(got []rtp.Packet) bool { return len(got) == 25 })
	checkPacing(t, packets)
	if err := c.hangUp(); err != nil {
		t.Fatal(err)
	}
	until(t, "the record is complete", func() bool { return x.onlyRecord(t, b.Number).Complete })
	r := x.onlyRecord(t, b.Number)
	if r.EndedBy != byBridge || r.RTP.PacketsReceived != 25 || r.RTP.FirstAudibleAt.IsZero() || r.RTP.Codec != "PCMU" {
		t.Errorf("by %s, %+v", r.EndedBy, r.RTP)
	}
	// Where the ledger says that the sound began, which is later after the answer on a busy machine.
	began := samplesIn(r.RTP.FirstAudibleAt.Sub(r.AnsweredAt.Time))
	if heard := readWAV(t, r.HeardWAV); level(heard[began:began+frameSamples]) < audibleDBFS {
		t.Errorf("the recording does not have what was sent at %d of %d samples", began, len(heard))
	}
	if want := challengedLadder + ", tx 180, tx 200, rx ACK, rx BYE, tx 200"; ladder(r) != want {
		t.Error(ladder(r))
	}
}

func checkPacing(t *testing.T, packets []rtp.Packet) {
	t.Helper()
	if len(packets) < 25 {
		t.Fatalf("%d packets of silence", len(packets))
	}
	for i, packet := range packets[1:] {
		if packet.SequenceNumber != packets[i].SequenceNumber+1 || packet.Timestamp != packets[i].Timestamp+frameSamples {
			t.Fatalf("packet %d does not follow the one before", i+1)
		}
	}
	if packets[0].PayloadType != 0 || len(packets[0].Payload) != frameSamples || packets[0].Payload[0] != 0xff {
		t.Errorf("not a frame of PCMU silence: %v", packets[0])
	}
}

// untilRinging gives a context that is over once the phone rings; a dialing with it is then cancelled.
func untilRinging(x *carrier, number string) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if len(x.ledger.list(filter{number: number, state: stateRinging})) > 0 {
				return
			}
		}
	}()
	return ctx
}

func TestCancelWhileRingingIsAnsweredWith487(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("no_answer")
	ctx := untilRinging(x, b.Number)
	c := p.dial(x, dialing{number: b.Number, username: trunkUser, password: trunkPassword, ctx: ctx})
	if c.err == nil {
		t.Fatal("the call was answered")
	}
	until(t, "487", func() bool { return x.onlyRecord(t, b.Number).FinalStatus == 487 })
	if r := x.onlyRecord(t, b.Number); r.EndedBy != byBridge || r.State != stateEnded {
		t.Errorf("%s by %s", r.State, r.EndedBy)
	}
}

func TestGlareAnswersAheadOfTheCancel(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("glare")
	p.dial(x, dialing{number: b.Number, username: trunkUser, password: trunkPassword, ctx: untilRinging(x, b.Number)})
	until(t, "the answer", func() bool { return x.onlyRecord(t, b.Number).State == stateAnswered })
	if r := x.onlyRecord(t, b.Number); !strings.Contains(ladder(r), "tx 180, rx CANCEL, tx 200, tx 200") {
		t.Error(ladder(r))
	}
}

func TestAMuteCarrierKeepsOneRecordThroughRetransmissions(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("mute")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.dial(x, dialing{number: b.Number, ctx: ctx})
	until(t, "two retransmissions", func() bool {
		records := x.ledger.list(filter{number: b.Number})
		return len(records) == 1 && records[0].Retransmissions >= 2
	})
	if r := x.onlyRecord(t, b.Number); r.Invites != 1 || strings.Contains(ladder(r), "tx") {
		t.Error(ladder(r))
	}
}

func TestARecordEndsWhenItWasQuietForLongEnoughAndNotTwiceAsLong(t *testing.T) {
	x := startCarrier(t)
	const quiet = 2 * time.Second
	r := x.ledger.open("c1", fromBridge, "", "", "mute")
	x.forgetWhenQuiet(r, stateInvited, quiet)
	time.Sleep(quiet / 10)
	x.ledger.note(wireMessage{direction: "rx", line: "CANCEL", method: "CANCEL", callID: "c1", cseq: "1 CANCEL"})
	last, _ := x.ledger.lastMessage(r)
	until(t, "the end", func() bool { return x.ledger.read(r).State == stateEnded })
	if took := x.ledger.read(r).EndedAt.Sub(last); took < quiet || took > quiet*3/2 {
		t.Errorf("ended %s after the last message", took)
	}
}

func TestDiallingTwiceMakesTwoRecords(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	number := behaviourNamed("busy").Number
	p.call(x, number)
	p.call(x, number)
	if records := x.ledger.list(filter{number: number}); len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}

func TestDTMFGoesBothWays(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("sends_dtmf")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	var d dtmfListener
	heard := ""
	c.hear(patience, func(got []rtp.Packet) bool {
		if n := len(got); n > 0 && got[n-1].PayloadType == 101 {
			if digit, fresh := d.receive(got[n-1].Payload, got[n-1].Timestamp, time.Now()); fresh {
				heard += digit.Digit
			}
		}
		return heard == "123#"
	})
	if heard != "123#" {
		t.Errorf("heard %q", heard)
	}
	for i, key := range []byte("90*") {
		for range 3 {
			c.send(101, uint16(i), uint32(i*2000), dtmfPayload(key, 800, true))
		}
	}
	until(t, "the digits", func() bool { return len(x.onlyRecord(t, b.Number).DTMF) == 3 })
	_ = c.hangUp()
}

func TestAPCMAOnlyNumberTakesPCMAOrNothing(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("pcma_only")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	if r := x.onlyRecord(t, b.Number); r.RTP.Codec != "PCMA" {
		t.Errorf("codec %q", r.RTP.Codec)
	}
	_ = c.hangUp()
	only := dialing{number: b.Number, username: trunkUser, password: trunkPassword, codecs: []codec{pcmu}}
	if c := p.dial(x, only); c.status() != 488 {
		t.Errorf("PCMU only: %v", c.err)
	}
}

func TestHoldAndResumeAreReinvites(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("hold")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	until(t, "two re-INVITEs", func() bool {
		return strings.Count(ladder(x.onlyRecord(t, b.Number)), "tx INVITE, rx 200, tx ACK") == 2
	})
	if r := x.onlyRecord(t, b.Number); r.Invites != 1 || r.State != stateAnswered {
		t.Errorf("invites %d, state %s", r.Invites, r.State)
	}
	_ = c.hangUp()
}

func TestASessionIsRefreshedAndAskedFor(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("refreshes")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	until(t, "re-INVITE and UPDATE", func() bool {
		seen := ladder(x.onlyRecord(t, b.Number))
		return strings.Contains(seen, "tx INVITE, rx 200, tx ACK") && strings.Contains(seen, "tx UPDATE")
	})
	_ = c.hangUp()
}

func TestASessionIsKeptUpUntilARefreshFails(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	x.refresh = 50 * time.Millisecond
	b := behaviourNamed("session_timer")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	until(t, "three refreshes", func() bool {
		return strings.Count(ladder(x.onlyRecord(t, b.Number)), "tx INVITE, rx 200, tx ACK") >= 3
	})
	p.refuses.Store(true)
	until(t, "a refusal and a hang-up", func() bool {
		_, after, refused := strings.Cut(ladder(x.onlyRecord(t, b.Number)), "rx 481")
		return refused && strings.Contains(after, "tx BYE")
	})
}

func TestAnotherPortIsWhereTheAudioGoes(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("moves_port")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	call := x.callOf(x.onlyRecord(t, b.Number).CallID)
	before := call.stream.local().Port
	until(t, "a re-INVITE", func() bool {
		return strings.Contains(ladder(x.onlyRecord(t, b.Number)), "tx INVITE, rx 200, tx ACK")
	})
	if after := call.stream.local().Port; after == before {
		t.Errorf("still at port %d", after)
	}
	_ = c.hangUp()
}

func TestTheControlAPIHangsUpAtAnyMoment(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	silent, ringing := behaviourNamed("silent").Number, behaviourNamed("no_answer").Number
	if c := p.call(x, silent); c.err != nil {
		t.Fatal(c.err)
	}
	x.callOf(x.onlyRecord(t, silent).CallID).hangUp()
	until(t, "BYE", func() bool { return p.byeCount() == 1 })
	refused := make(chan int, 1)
	go func() { refused <- p.call(x, ringing).status() }()
	until(t, "ringing", func() bool { return len(x.ledger.list(filter{state: stateRinging})) == 1 })
	x.callOf(x.onlyRecord(t, ringing).CallID).hangUp()
	if status := <-refused; status != 480 {
		t.Errorf("refused with %d", status)
	}
}

func TestALostByeIsSeenInTheLedgerAndNeverAnswered(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("lost_bye")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	go func() { _ = c.hangUp() }()
	until(t, "the end", func() bool { return x.onlyRecord(t, b.Number).Retransmissions > 0 })
	if r := x.onlyRecord(t, b.Number); r.EndedBy != byBridge || !strings.HasSuffix(ladder(r), "rx BYE, rx BYE") {
		t.Errorf("by %s: %s", r.EndedBy, ladder(r))
	}
}

func TestNoRTPMeansNoPacketAtAll(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	c := p.call(x, behaviourNamed("no_rtp").Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	if got := c.hear(300*time.Millisecond, func(got []rtp.Packet) bool { return len(got) > 0 }); len(got) > 0 {
		t.Error("a packet came")
	}
	_ = c.hangUp()
}

func TestTheEchoNumberPlaysBackWhatItHears(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	c := p.call(x, behaviourNamed("echo").Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	speech := make([]byte, frameSamples)
	pcmu.pack(speech, sine(500, sampleRate, frameSamples))
	until(t, "the line is open", func() bool { return x.onlyRecord(t, behaviourNamed("echo").Number).RTP.PacketsSent > 2 })
	for i := range 10 {
		c.send(0, uint16(i), uint32(i*frameSamples), speech)
	}
	loudFrames := 0
	c.hear(patience, func(got []rtp.Packet) bool {
		if n := len(got); n > 0 && level(pcmu.unpack(got[n-1].Payload)) > audibleDBFS {
			loudFrames++
		}
		return loudFrames == 10
	})
	if loudFrames != 10 {
		t.Errorf("%d of 10 frames came back", loudFrames)
	}
	_ = c.hangUp()
}

func TestFiftyCallsAtOnceAllHoldAndEnd(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	number := behaviourNamed("silent").Number
	calls := make(chan *dialled, 50)
	for range 50 {
		go func() { calls <- p.call(x, number) }()
	}
	for range 50 {
		c := <-calls
		if c.err != nil {
			t.Fatal(c.err)
		}
		defer func() { _ = c.hangUp() }()
	}
	until(t, "a second of audio for everyone", func() bool {
		x.refreshCounts()
		for _, r := range x.ledger.list(filter{}) {
			if r.RTP.PacketsSent < 50 {
				return false
			}
		}
		return len(x.liveCalls()) == 50
	})
}

func TestTheCarrierCallsInAndAnswersAChallenge(t *testing.T) {
	callee := startCarrier(t, func(o *options) { o.rtpFirst, o.rtpLast = 35000, 35100 })
	x := startCarrier(t, func(o *options) { o.bridge = callee.address() })
	made, err := x.originate(origination{
		To: behaviourNamed("hangs_up").Number, From: "+14155559999", Behaviour: "silent",
		Username: trunkUser, Password: trunkPassword,
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the call is over", func() bool { return x.ledger.read(made).Complete })
	r := x.ledger.read(made)
	if r.Direction != toBridge || r.EndedBy != byBridge || r.FinalStatus != 200 || r.Invites != 1 || r.RTP.PacketsReceived < 30 {
		t.Errorf("%s by %s, %d, %d invites, %+v", r.Direction, r.EndedBy, r.FinalStatus, r.Invites, r.RTP)
	}
}

func TestAnOriginatedCallThatRingsTooLongIsCanceled(t *testing.T) {
	callee := startCarrier(t, func(o *options) { o.rtpFirst, o.rtpLast, o.username = 35000, 35100, "" })
	x := startCarrier(t, func(o *options) { o.bridge = callee.address() })
	made, err := x.originate(origination{
		To: behaviourNamed("no_answer").Number, From: "+14155559999", RingTimeoutSeconds: 0.3,
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the call is over", func() bool { return x.ledger.read(made).State == stateEnded })
	if r := x.ledger.read(made); r.FinalStatus != 487 || r.EndedBy != byCarrier {
		t.Errorf("%d by %s: %s", r.FinalStatus, r.EndedBy, ladder(r))
	}
}

func TestOriginatingNeedsPartiesAndABehaviourThatSpeaks(t *testing.T) {
	x := startCarrier(t, func(o *options) { o.bridge = "127.0.0.1:9" })
	for _, o := range []origination{{}, {To: "+1"}, {To: "+1", From: "+2", Behaviour: "busy"}, {To: "+1", From: "+2", Behaviour: "?"}} {
		if _, err := x.originate(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestRequestsOutsideACallAreAnswered(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	for method, status := range map[sip.RequestMethod]int{sip.OPTIONS: 200, sip.BYE: 481, sip.REGISTER: 405} {
		ctx, done := context.WithTimeout(context.Background(), patience)
		res, err := p.dialogs.Client.Do(ctx, sip.NewRequest(method, x.addressFor("x")))
		done()
		if err != nil || res.StatusCode != status {
			t.Errorf("%s: %v %v", method, res, err)
		}
	}
}

func TestAudioThatComesBeforeTheAnswerIsTaken(t *testing.T) {
	conn, err := newPortRange(net.IPv4(127, 0, 0, 1), 36000, 36100).listen()
	if err != nil {
		t.Fatal(err)
	}
	s := newStream(conn, nil)
	defer s.close(time.Now())
	s.receive(&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, frameSamples)}, time.Now())
	if s.snapshot().FirstAudibleAt.IsZero() {
		t.Error("early media was not heard")
	}
}
