package main

import (
	"net"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// options is what main reads from the command line.
type options struct {
	sipAddress         string
	username, password string
	dir                string // recordings
	bridge             string // where originated calls go
	rtpFirst, rtpLast  int
	ring               time.Duration // how long ordinary numbers ring
	away               time.Duration // how long a message is on its way to us
	refresh            time.Duration // half of a session's time, where a number keeps one up
	profile            profile
	tlsOptions
}

// carrier is the termination trunk: it takes INVITEs and plays the person who is called.
type carrier struct {
	options
	ip      net.IP
	port    int
	ledger  *Ledger
	gate    *gatekeeper
	voices  *voiceBox
	ports   *portRange
	metro   *metronome
	paced   *pace
	ua      *sipgo.UserAgent
	server  *sipgo.Server
	dialogs map[string]*sipgo.DialogUA // by transport
	tls     *meetingPoint              // nil without TLS
	asked   qualification

	mu   sync.Mutex
	live map[string]*call // by Call-ID
}

func newCarrier(o options, voices *voiceBox) (*carrier, error) {
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("simulated-carrier"))
	if err != nil {
		return nil, err
	}
	server, err := sipgo.NewServer(ua)
	if err != nil {
		return nil, err
	}
	x := &carrier{
		options: o, ledger: newLedger(), gate: newGatekeeper(o.username, o.password), voices: voices,
		metro: newMetronome(), paced: &pace{every: 2 * time.Second}, ua: ua, server: server, live: map[string]*call{},
	}
	x.gate.becomes(o.profile)
	server.OnInvite(x.onInvite)
	server.OnAck(x.onAck)
	server.OnBye(x.onBye)
	server.OnCancel(answerWith(481, "Call/Transaction Does Not Exist"))
	server.OnOptions(answerWith(200, "OK"))
	server.OnInfo(answerWith(200, "OK"))
	server.OnNoRoute(answerWith(405, "Method Not Allowed"))
	return x, nil
}

const allowedMethods = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO"

func answerWith(status int, reason string) sipgo.RequestHandler {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		res := sip.NewResponseFromRequest(req, status, reason, nil)
		res.AppendHeader(sip.NewHeader("Allow", allowedMethods))
		_ = tx.Respond(res)
	}
}

// received is the tap's view of the wire: it opens records and plays deaf.
func (x *carrier) received(m wireMessage) bool {
	if m.isRequest() && m.method == "INVITE" && !m.inDialog {
		x.ledger.open(m.callID, fromBridge, m.user, m.from, behaviourOf(m.user).Name)
	}
	r := x.ledger.note(m)
	if r == nil || !m.isRequest() {
		return true
	}
	if b := behaviourNamed(r.Behaviour); b != nil && b.deafTo(m.method) {
		if m.method == "INVITE" || m.method == "BYE" {
			x.forgetWhenQuiet(r, x.ledger.read(r).State, giveUp)
		}
		return false
	}
	if c := x.callOf(m.callID); c != nil && m.method == "CANCEL" {
		c.crossCancel()
	}
	return true
}

func (x *carrier) sent(m wireMessage) {
	x.ledger.note(m)
	if c := x.callOf(m.callID); c != nil && m.method == "INVITE" && m.status == 200 {
		c.answeredOnWire()
	}
}

// giveUp outlasts the longest that a peer goes on repeating a request (64*T1, RFC 3261).
const giveUp = 35 * time.Second

// forgetWhenQuiet closes the record of a caller who was left without an answer and went
// away: no message for a while, and the call still where it stuck.
func (x *carrier) forgetWhenQuiet(r *Record, state string, quiet time.Duration) {
	x.lookWhetherQuiet(r, state, quiet, quiet)
}

func (x *carrier) lookWhetherQuiet(r *Record, state string, quiet, after time.Duration) {
	time.AfterFunc(after, func() {
		last, current := x.ledger.lastMessage(r)
		switch wait := quiet - time.Since(last); {
		case current != state:
		case wait > 0:
			x.lookWhetherQuiet(r, state, quiet, wait)
		default:
			x.ledger.end(r, byBridge)
			if c := x.callOf(r.CallID); c != nil {
				c.abandon()
			}
		}
	})
}

func (x *carrier) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	callID := callIDOf(req)
	if req.To() == nil || req.From() == nil || callID == "" {
		answerWith(400, "Bad Request")(req, tx)
		return
	}
	if toTag, _ := req.To().Params.Get("tag"); toTag != "" {
		x.onReinvite(req, tx)
		return
	}
	r := x.ledger.withCallID(callID)
	if r == nil || x.callOf(callID) != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 482, "Loop Detected", nil))
		return
	}
	b := behaviourOf(req.Recipient.User)
	if refusal := x.gate.admit(req, x.profile.asks(b.Challenge)); refusal != nil {
		x.profile.dress(refusal)
		_ = tx.Respond(refusal)
		x.forgetWhenQuiet(r, stateChallenged, unansweredChallenge)
		return
	}
	x.takeCall(req, tx, r, b)
}

// unansweredChallenge is how long a challenged caller may take to come back with credentials.
const unansweredChallenge = 3 * time.Second

func (x *carrier) takeCall(req *sip.Request, tx sip.ServerTransaction, r *Record, b *Behaviour) {
	leg, err := x.dialogsFor(req.Transport()).ReadInvite(req, tx)
	if err != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 400, "Bad Request", nil))
		return
	}
	c := newCall(x, r, b, &calledLeg{leg})
	x.add(c)
	defer x.remove(c)
	c.run(func() { c.takeInvite(req) })
}

func (x *carrier) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	c := x.callOf(callIDOf(req))
	if c == nil {
		answerWith(481, "Call/Transaction Does Not Exist")(req, tx)
		return
	}
	c.takeReinvite(req, tx)
}

func (x *carrier) onAck(req *sip.Request, tx sip.ServerTransaction) {
	if c := x.callOf(callIDOf(req)); c != nil {
		c.leg.readAck(req, tx)
	}
}

func (x *carrier) onBye(req *sip.Request, tx sip.ServerTransaction) {
	c := x.callOf(callIDOf(req))
	if c == nil || c.leg.readBye(req, tx) != nil {
		answerWith(481, "Call/Transaction Does Not Exist")(req, tx)
	}
}

func callIDOf(req *sip.Request) string {
	if id := req.CallID(); id != nil {
		return id.Value()
	}
	return ""
}

func (x *carrier) callOf(callID string) *call {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.live[callID]
}

func (x *carrier) add(c *call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.live[c.record.CallID] = c
}

func (x *carrier) remove(c *call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.live, c.record.CallID)
}

func (x *carrier) liveCalls() []*call {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := make([]*call, 0, len(x.live))
	for _, c := range x.live {
		list = append(list, c)
	}
	return list
}

// stop hangs up what is live and waits for it to end, within the given time.
func (x *carrier) stop(within time.Duration) {
	for _, c := range x.liveCalls() {
		c.hangUp()
	}
	for deadline := time.Now().Add(within); len(x.liveCalls()) > 0 && time.Now().Before(deadline); {
		time.Sleep(frameTime)
	}
	for _, c := range x.liveCalls() {
		c.abandon()
	}
}
