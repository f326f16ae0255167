package main

import (
	"log/slog"
	"time"

	"github.com/emiago/sipgo/sip"
)

// The verbs of a phone that is called. Each returns false when the call is over.

// takeInvite reads the offer and plays the number's signalling.
func (c *call) takeInvite(req *sip.Request) {
	offered, err := c.readSession(req.Body())
	if err != nil {
		c.reject(488, "Not Acceptable Here")
		return
	}
	c.offer = offered
	if offered.key != nil {
		c.settle(true, offered.key.tag)
	} else if c.rule != answersClear {
		c.settle(false, "")
	}
	c.b.prepare(c)
	c.b.Signal(c)
}

func (c *call) session() *calledLeg { return c.leg.(*calledLeg) }

func (c *call) respond(status int, reason string, headers ...sip.Header) {
	res := sip.NewResponseFromRequest(c.session().InviteRequest, status, reason, nil)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	c.x.profile.dress(res)
	if err := c.session().WriteResponse(res); err != nil {
		slog.Debug("response not sent", "call", c.record.ID, "status", status, "error", err)
	}
}

func (c *call) trying() { c.respond(100, "Trying") }

// ring sends 180 and lets it ring.
func (c *call) ring(d time.Duration) bool {
	if c.x.profile.early {
		if !c.earlyMedia() {
			return false
		}
	} else {
		c.respond(180, "Ringing")
	}
	return c.pause(d)
}

// reject refuses the call; it returns when the ACK has come. An originated call has nothing to refuse.
func (c *call) reject(status int, reason string, headers ...sip.Header) {
	c.refused = true
	if _, called := c.leg.(*calledLeg); called {
		c.respond(status, reason, headers...)
	}
}

// earlyMedia opens the voice path before the answer with 183.
func (c *call) earlyMedia() bool {
	if err := c.openStream(); err != nil {
		c.reject(503, "Service Unavailable")
		return false
	}
	c.connect(c.offer)
	res := sip.NewSDPResponseFromRequest(c.session().InviteRequest, c.localSDP("sendrecv"))
	res.StatusCode, res.Reason = 183, "Session Progress"
	c.x.profile.dress(res)
	c.stream.setSending(true)
	return c.session().WriteResponse(res) == nil
}

// answer picks up. The 200 is repeated in the background until the ACK comes.
func (c *call) answer() bool {
	if err := c.openStream(); err != nil {
		c.reject(503, "Service Unavailable")
		return false
	}
	c.connect(c.offer)
	res := sip.NewSDPResponseFromRequest(c.session().InviteRequest, c.localSDP("sendrecv"))
	c.x.profile.dress(res)
	go func() {
		if c.session().WriteResponse(res) != nil {
			c.hangUp() // no ACK within 64*T1: RFC 3261 section 13.3.1.4
		}
	}()
	select {
	case <-c.okSent:
	case <-c.leg.Context().Done():
		return false
	}
	c.startTape()
	c.stream.setSending(!c.b.NoRTP)
	return true
}

// takeReinvite answers a change of session from the bridge.
func (c *call) takeReinvite(req *sip.Request, tx sip.ServerTransaction) {
	if len(req.Body()) > 0 && c.stream != nil {
		changed, err := c.readSession(req.Body())
		if err != nil {
			_ = tx.Respond(sip.NewResponseFromRequest(req, 488, "Not Acceptable Here", nil))
			return
		}
		c.connect(changed)
	}
	res := sip.NewSDPResponseFromRequest(req, c.localSDP("sendrecv"))
	contact := c.x.dialogsFor(req.Transport()).ContactHDR
	res.AppendHeader(&contact)
	_ = tx.Respond(res)
}
