package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// longestCall ends what nobody else ends.
const longestCall = time.Hour

// call is one phone conversation being played; behaviours are written in its verbs.
type call struct {
	x      *carrier
	record *Record
	b      *Behaviour
	leg    leg
	stream *stream
	offer  offer
	rule   mediaRule
	key    *sealingKey // ours, nil in clear

	ctx    context.Context // ends when the call must: hung up by anyone
	cancel context.CancelFunc

	refused    bool // a final refusal was sent
	wordless   atomic.Bool
	sdpVersion int
	byeHeaders []sip.Header

	cancelOnce, answerOnce   sync.Once
	cancelSeen, okSent, gone chan struct{}
}

func newCall(x *carrier, r *Record, b *Behaviour, l leg) *call {
	c := &call{
		x: x, record: r, b: b, leg: l, rule: b.Media,
		cancelSeen: make(chan struct{}), okSent: make(chan struct{}), gone: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithTimeout(l.Context(), longestCall)
	return c
}

// run plays the call: the signalling up to an answer, the person, then the end.
func (c *call) run(signalling func()) {
	defer close(c.gone)
	defer c.cancel()
	signalling()
	if c.stream != nil && c.answered() {
		go c.x.profile.settle(c)
		c.b.Person(c)
	}
	c.finish()
	if c.stream != nil {
		c.x.metro.leave(c.stream)
		c.stream.close(c.endedAt())
		c.keepCounts()
	}
	c.x.ledger.update(c.record, func(r *Record) { r.Complete = true })
}

// endedAt is the end as the ledger has it: a tape is as long as its call.
func (c *call) endedAt() time.Time {
	if ended := c.x.ledger.read(c.record).EndedAt; !ended.IsZero() {
		return ended.Time
	}
	return time.Now()
}

// finish says on the wire that it is over, unless the other side has.
func (c *call) finish() {
	if c.leg.Context().Err() != nil || c.wordless.Load() {
		return
	}
	if !c.answered() {
		if !c.refused {
			c.reject(480, "Temporarily Unavailable")
		}
		return
	}
	ctx, done := context.WithTimeout(context.Background(), giveUp)
	defer done()
	if err := c.leg.bye(ctx, c.byeHeaders...); err != nil {
		slog.Info("BYE was not answered", "call", c.record.ID, "error", err)
	}
	c.x.ledger.end(c.record, byCarrier)
}

func (c *call) answered() bool {
	select {
	case <-c.okSent:
		return true
	default:
		return false
	}
}

// hangUp ends the call from our side at any moment.
func (c *call) hangUp() { c.cancel() }

// abandon drops the call without a word on the wire.
func (c *call) abandon() {
	c.wordless.Store(true)
	c.cancel()
}

// keepCounts copies what the stream counted into the ledger.
func (c *call) keepCounts() {
	if c.stream == nil {
		return
	}
	counts := c.stream.snapshot()
	c.x.ledger.update(c.record, func(r *Record) { r.RTP = counts })
}

func (c *call) heardDigit(d Digit) {
	c.x.ledger.update(c.record, func(r *Record) { r.DTMF = append(r.DTMF, d) })
}

func (c *call) played(s Said) {
	c.x.ledger.update(c.record, func(r *Record) { r.Said = append(r.Said, s) })
}

// crossCancel holds a CANCEL back until our 200 has left, for the number that answers in that moment.
func (c *call) crossCancel() {
	c.cancelOnce.Do(func() {
		close(c.cancelSeen)
		if c.b.AnswersCancel {
			select {
			case <-c.okSent:
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
}

func (c *call) answeredOnWire() { c.answerOnce.Do(func() { close(c.okSent) }) }

// openStream binds a port and starts to listen; sending starts with the answer.
func (c *call) openStream() error {
	if c.stream != nil {
		return nil
	}
	conn, err := c.x.ports.listen()
	if err != nil {
		return err
	}
	c.stream = newStream(conn, c)
	if c.key != nil {
		c.stream.sealing = &sealing{own: c.key}
	}
	go c.stream.listen(conn)
	c.x.metro.join(c.stream)
	return nil
}

// connect points the stream at the peer in the first codec both sides have.
func (c *call) connect(o offer) {
	c.offer = o
	if err := c.stream.connect(o); err != nil {
		slog.Error("cannot seal the call", "call", c.record.ID, "error", err)
	}
	c.keepCounts()
}

// readSession reads the peer's description by what this phone takes.
func (c *call) readSession(body []byte) (offer, error) { return readSDP(body, c.b.codecs(), c.rule) }

// settle holds the call to the profile that it began with, sealed or in clear.
func (c *call) settle(sealed bool, tag string) {
	c.rule = clearOnly
	if sealed {
		c.rule, c.key = sealedOnly, newSealingKey(tag)
	}
}

// startTape begins the recordings: position 0 is the answer, as the ledger has it.
func (c *call) startTape() {
	answered := c.x.ledger.read(c.record).AnsweredAt.Time
	if answered.IsZero() {
		answered = time.Now()
	}
	c.stream.mu.Lock()
	heard, said, err := c.stream.tape.start(c.x.dir, c.record.ID, answered)
	c.stream.mu.Unlock()
	if err != nil {
		slog.Error("cannot record the call", "call", c.record.ID, "error", err)
	}
	c.x.ledger.update(c.record, func(r *Record) { r.HeardWAV, r.SaidWAV = heard, said })
}

// localSDP describes our side in the codec that was settled on.
func (c *call) localSDP(direction string) []byte {
	return c.describe(c.offer.codecs[:1], c.offer.dtmfType, direction)
}

func (c *call) describe(codecs []codec, dtmfType uint8, direction string) []byte {
	c.sdpVersion++
	d := description{
		local: c.toldAddress(), codecs: codecs, dtmfType: dtmfType,
		direction: direction, version: c.sdpVersion, key: c.key,
	}
	c.x.profile.describe(&d)
	return d.bytes()
}
