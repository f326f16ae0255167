package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/google/uuid"
)

// origination is a call that somebody out there makes to one of the bridge's numbers.
type origination struct {
	To                 string  `json:"to"`
	From               string  `json:"from"`
	Behaviour          string  `json:"behaviour"` // name or number; default talks
	Username           string  `json:"username"`  // answer to a challenge, optional
	Password           string  `json:"password"`
	RingTimeoutSeconds float64 `json:"ring_timeout_seconds"`
	Transport          string  `json:"transport"` // udp (default) or tls
	SRTP               bool    `json:"srtp"`      // offer RTP/SAVP only
	Bridge             string  `json:"bridge"`    // another address than the flag's
}

const (
	defaultRingTimeout = 60 * time.Second
	offeredDTMFType    = 101
)

var (
	errNoBridge     = errors.New("no bridge address: start the carrier with -bridge HOST:PORT")
	errNoParty      = errors.New("`to` and `from` are required")
	errNeverAnswers = errors.New("unknown behaviour, or one that never answers")
	errTransport    = errors.New("`transport` must be udp or tls")
)

// originate sends the INVITE and returns the call's record at once.
func (x *carrier) originate(o origination) (*Record, error) {
	b, err := x.callerOf(o)
	if err != nil {
		return nil, err
	}
	target, err := x.targetOf(o)
	if err != nil {
		return nil, err
	}
	callID := sip.CallIDHeader(uuid.NewString())
	r := x.ledger.open(string(callID), toBridge, o.To, o.From, b.Name)
	req := sip.NewRequest(sip.INVITE, target)
	from := sip.FromHeader{Address: x.addressFor(o.From), Params: sip.NewParams()}
	from.Params.Add("tag", sip.GenerateTagN(16))
	req.AppendHeader(&from)
	req.AppendHeader(&callID)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	x.profile.offers(req)
	req.SetTransport(sip.NetworkToUpper(o.transport()))
	go x.makeCall(o, r, b, req)
	return r, nil
}

// transport is UDP or TLS: the tap does not see connections that the stack dials over TCP.
func (o origination) transport() string {
	if o.Transport == "" {
		return "udp"
	}
	return o.Transport
}

// targetOf is the address that is called: the bridge that was named, else the one of the transport.
func (x *carrier) targetOf(o origination) (sip.Uri, error) {
	bridge, params := x.bridge, sip.NewParams()
	switch o.transport() {
	case "udp":
	case "tls":
		if x.tls == nil {
			return sip.Uri{}, errNoTLS
		}
		bridge = x.tlsBridge
		params.Add("transport", "tls")
	default:
		return sip.Uri{}, errTransport
	}
	if o.Bridge != "" {
		bridge = o.Bridge
	}
	host, port, err := hostPort(bridge)
	if err != nil {
		return sip.Uri{}, errNoBridge
	}
	return sip.Uri{Scheme: "sip", User: o.To, Host: host, Port: port, UriParams: params}, nil
}

func (x *carrier) callerOf(o origination) (*Behaviour, error) {
	if o.To == "" || o.From == "" {
		return nil, errNoParty
	}
	if o.Behaviour == "" {
		o.Behaviour = "talks"
	}
	b := behaviourNamed(o.Behaviour)
	if b == nil {
		b = behaviourOf(o.Behaviour)
	}
	if b.Person == nil {
		return nil, errNeverAnswers
	}
	return b, nil
}

func (x *carrier) makeCall(o origination, r *Record, b *Behaviour, req *sip.Request) {
	dialogs := x.dialogsFor(req.Transport())
	session := &sipgo.DialogClientSession{Dialog: sipgo.Dialog{InviteRequest: req}, UA: dialogs}
	session.Dialog.Init()
	contact := dialogs.ContactHDR
	contact.Address.User = o.From
	req.AppendHeader(&contact)
	c := newCall(x, r, b, &callingLeg{session})
	c.settle(o.SRTP, offeredTag)
	x.add(c)
	defer x.remove(c)
	c.run(func() { c.dial(o) })
	x.ledger.end(r, byBridge) // refused, or never answered
}

// dial sends the offer and waits for the answer; hanging up meanwhile sends CANCEL.
func (c *call) dial(o origination) {
	if err := c.openStream(); err != nil {
		slog.Error("cannot open a stream", "call", c.record.ID, "error", err)
		c.x.ledger.end(c.record, byCarrier)
		return
	}
	c.b.prepare(c)
	session := c.leg.(*callingLeg).DialogClientSession
	session.InviteRequest.SetBody(c.describe(c.b.codecs(), offeredDTMFType, "sendrecv"))
	ringTimeout := defaultRingTimeout
	if o.RingTimeoutSeconds > 0 {
		ringTimeout = time.Duration(o.RingTimeoutSeconds * float64(time.Second))
	}
	ctx, done := context.WithTimeout(c.ctx, ringTimeout)
	defer done()
	if err := c.reachBridge(ctx, session.InviteRequest); err != nil {
		slog.Warn("no connection to the bridge", "call", c.record.ID, "error", err)
		c.x.ledger.end(c.record, byCarrier)
		return
	}
	if err := session.Invite(ctx); err != nil {
		return
	}
	err := patientAnswer(ctx, session, sipgo.AnswerOptions{Username: o.Username, Password: o.Password})
	if err != nil || session.Ack(context.Background()) != nil {
		return
	}
	c.pickedUp(session.InviteResponse.Body())
}

func (c *call) reachBridge(ctx context.Context, req *sip.Request) error {
	if req.Transport() != "TLS" {
		return nil
	}
	return c.x.reach(ctx, req.Destination())
}

// patientAnswer waits for the answer, however often it rings: the library gives up at the tenth
// response, without a CANCEL, and livekit-sip says 180 once a second.
func patientAnswer(ctx context.Context, session *sipgo.DialogClientSession, opts sipgo.AnswerOptions) error {
	for {
		err := session.WaitAnswer(ctx, opts)
		if err == nil || !strings.Contains(err.Error(), "more than 10 responses") {
			return err
		}
	}
}

// pickedUp starts the conversation on an originated call that was answered.
func (c *call) pickedUp(body []byte) {
	answer, err := c.readSession(body)
	if err != nil {
		c.answeredOnWire()
		return
	}
	if answer.dtmfType != 0 {
		answer.dtmfType = offeredDTMFType
	}
	c.connect(answer)
	c.startTape()
	c.stream.setSending(!c.b.NoRTP)
	c.answeredOnWire()
}
