package main

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"
)

// The verbs of a person on an answered call. Each returns false when the call is over.

func (c *call) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// untilHungUp waits for the other side, at most so long.
func (c *call) untilHungUp(most time.Duration) { c.pause(most) }

// say speaks a line to its end.
func (c *call) say(voice, text string) bool {
	return c.playOut(&outgoing{clip: c.x.voices.line(c.ctx, voice, text)})
}

func (c *call) playTone(frequency float64, length time.Duration) bool {
	return c.playOut(&outgoing{clip: clip{pcm: tone(frequency, length), voice: voiceTone}})
}

func (c *call) press(digits string) bool {
	for i := range len(digits) {
		if !c.playOut(&outgoing{digit: digits[i]}) {
			return false
		}
	}
	return true
}

func (c *call) playOut(o *outgoing) bool {
	select {
	case <-c.stream.play(o):
		return c.ctx.Err() == nil
	case <-c.ctx.Done():
		return false
	}
}

// listening is how a person decides that it is their turn.
type listening struct {
	patience time.Duration // for the other side to begin
	quiet    time.Duration // of silence that ends a turn
	longest  time.Duration // a turn may last
}

// hearTurn waits until the other side has spoken since the given moment and fallen silent.
func (c *call) hearTurn(since time.Time, l listening) bool {
	return c.until(func(at time.Time) bool {
		waited := at.Sub(since)
		spoke, quiet := c.ears(since, at)
		if !spoke {
			return waited > l.patience
		}
		return quiet >= l.quiet || waited > l.longest
	})
}

func (c *call) ears(since, at time.Time) (spoke bool, quiet time.Duration) {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.ear.spokeSince(since), c.stream.ear.quietFor(at)
}

// until polls a condition at twice the frame time.
func (c *call) until(condition func(at time.Time) bool) bool {
	ticker := time.NewTicker(2 * frameTime)
	defer ticker.Stop()
	for {
		select {
		case at := <-ticker.C:
			if condition(at) {
				return true
			}
		case <-c.ctx.Done():
			return false
		}
	}
}

// digits returns what was pressed so far.
func (c *call) digits() string {
	pressed := ""
	for _, d := range c.x.ledger.read(c.record).DTMF {
		pressed += d.Digit
	}
	return pressed
}

// reinvite offers the session again in another direction (hold, resume) and takes the answer.
func (c *call) reinvite(direction string) bool { return c.offerAgain(c.localSDP(direction)) }

// refresh offers the session again as it stands, as a session timer does (RFC 4028).
func (c *call) refresh() bool {
	c.sdpVersion--
	return c.reinvite("sendrecv")
}

// refreshEvery keeps a session up until the call is over; one that nobody answers for is over.
func (c *call) refreshEvery(half time.Duration) {
	for c.pause(half) {
		if !c.refresh() {
			c.hangUp()
		}
	}
}

// movePort takes the audio to another port of ours, and is deaf on the one before it.
func (c *call) movePort() bool {
	conn, err := c.x.ports.listen()
	if err != nil {
		return false
	}
	before := c.stream.moveTo(conn)
	defer func() { _ = before.Close() }()
	return c.reinvite("sendrecv")
}

// update asks within the call without a session (RFC 3311). Whatever the answer, the call goes on.
func (c *call) update() bool {
	ctx, done := context.WithTimeout(c.ctx, giveUp)
	defer done()
	_, err := c.leg.Do(ctx, sip.NewRequest(sip.UPDATE, *c.targetURI()))
	return err == nil
}

func (c *call) offerAgain(session []byte) bool {
	req := sip.NewRequest(sip.INVITE, *c.targetURI())
	req.SetBody(session)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	c.x.profile.stamp(req, "User-Agent")
	ctx, done := context.WithTimeout(c.ctx, giveUp)
	defer done()
	res, err := c.leg.Do(ctx, req)
	if err != nil || !res.IsSuccess() {
		return false
	}
	ack := sip.NewRequest(sip.ACK, *c.targetURI())
	if changed, err := c.readSession(res.Body()); err == nil {
		c.connect(changed)
	}
	return c.leg.WriteRequest(ack) == nil
}

func (c *call) targetURI() *sip.Uri {
	target := c.leg.target()
	return target.Clone()
}
