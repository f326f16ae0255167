package main

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"
)

// stamp is a time as the control API writes it: RFC 3339, UTC, microseconds; null when unset.
type stamp struct{ time.Time }

func now() stamp { return stamp{time.Now().UTC()} }

func (s stamp) MarshalJSON() ([]byte, error) {
	if s.IsZero() {
		return []byte("null"), nil
	}
	return []byte(s.UTC().Format(`"2006-01-02T15:04:05.000000Z"`)), nil
}

// States of a record, in the order in which a call passes them.
const (
	stateInvited    = "invited"
	stateChallenged = "challenged"
	stateRinging    = "ringing"
	stateAnswered   = "answered"
	stateEnded      = "ended"
)

const (
	fromBridge = "from_bridge"
	toBridge   = "to_bridge"
	byCarrier  = "carrier"
	byBridge   = "bridge"
)

// Message is one SIP message as it crossed the wire.
type Message struct {
	At             stamp  `json:"at"`
	Direction      string `json:"direction"`
	Transport      string `json:"transport"`
	Line           string `json:"line"`
	Method         string `json:"method"`
	Status         int    `json:"status"`
	CSeq           string `json:"cseq"`
	CallID         string `json:"call_id"`
	Retransmission bool   `json:"retransmission"`
}

// Digit is one DTMF digit heard (RFC 4733).
type Digit struct {
	Digit string `json:"digit"`
	At    stamp  `json:"at"`
}

// Said is one thing the callee played. Voice tells what made it: speech, espeak or tone.
type Said struct {
	Text      string `json:"text"`
	Voice     string `json:"voice"`
	StartedAt stamp  `json:"started_at"`
	EndedAt   stamp  `json:"ended_at"`
}

// Media counts what crossed the RTP socket.
type Media struct {
	Codec           string  `json:"codec"`
	Profile         string  `json:"profile"`         // RTP/AVP or RTP/SAVP, as settled on
	Crypto          string  `json:"crypto"`          // SRTP suite, empty in clear
	PacketsRefused  int     `json:"packets_refused"` // not sealed with the peer's key
	PacketsReceived int     `json:"packets_received"`
	PacketsSent     int     `json:"packets_sent"`
	PacketsLost     int     `json:"packets_lost"`
	PacketsAudible  int     `json:"packets_audible"`
	Dropouts        int     `json:"dropouts"`
	LongestGapMS    float64 `json:"longest_gap_ms"`
	FirstReceivedAt stamp   `json:"first_received_at"`
	FirstAudibleAt  stamp   `json:"first_audible_at"`
	LastReceivedAt  stamp   `json:"last_received_at"`
	LastAudibleAt   stamp   `json:"last_audible_at"`
	Replies         []Reply `json:"replies"`
}

// Reply is how the other side answered something that the callee said.
type Reply struct {
	SpokeUntil stamp `json:"spoke_until"`
	HeardAt    stamp `json:"heard_at"`
}

// Record is what the carrier knows of one call: one Call-ID.
type Record struct {
	ID              string            `json:"id"`
	CallID          string            `json:"call_id"`
	Direction       string            `json:"direction"`
	Number          string            `json:"number"`
	From            string            `json:"from"`
	Behaviour       string            `json:"behaviour"`
	Transport       string            `json:"transport"` // that brought the first INVITE
	Headers         map[string]string `json:"headers"`
	State           string            `json:"state"`
	FinalStatus     int               `json:"final_status"`
	StartedAt       stamp             `json:"started_at"`
	RingingAt       stamp             `json:"ringing_at"`
	AnsweredAt      stamp             `json:"answered_at"`
	EndedAt         stamp             `json:"ended_at"`
	EndedBy         string            `json:"ended_by"`
	Complete        bool              `json:"complete"` // over, and its counts and tapes are final
	Invites         int               `json:"invites"`
	Retransmissions int               `json:"retransmissions"`
	Messages        []Message         `json:"messages"`
	DTMF            []Digit           `json:"dtmf"`
	RTP             Media             `json:"rtp"`
	Said            []Said            `json:"said"`
	HeardWAV        string            `json:"heard_wav"`
	SaidWAV         string            `json:"said_wav"`

	seen       map[string]bool // requests that crossed before, by method, CSeq and branch
	challenged bool
	canceledBy string
}

// Ledger holds every record; all access to a record goes through it.
type Ledger struct {
	mu       sync.Mutex
	byCallID map[string]*Record
	ordered  []*Record
}

func newLedger() *Ledger { return &Ledger{byCallID: map[string]*Record{}} }

// open starts a record for a Call-ID; the record of a Call-ID already known is returned as it is.
func (l *Ledger) open(callID, direction, number, from, behaviour string) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, known := l.byCallID[callID]; known {
		return r
	}
	r := &Record{
		ID: newID(), CallID: callID, Direction: direction, Number: number, From: from,
		Behaviour: behaviour, Headers: map[string]string{}, State: stateInvited, StartedAt: now(),
		Messages: []Message{}, DTMF: []Digit{}, Said: []Said{}, seen: map[string]bool{},
	}
	l.byCallID[callID] = r
	l.ordered = append(l.ordered, r)
	return r
}

func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return "call-" + hex.EncodeToString(b[:])
}

// note adds a message to the record of its Call-ID and lets the record follow it.
func (l *Ledger) note(m wireMessage) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byCallID[m.callID]
	if r == nil {
		return nil
	}
	if m.isRequest() && m.method == "INVITE" && !m.inDialog && len(m.extra) > 0 {
		r.Headers = m.extra // replaced as a whole, never changed: copies may share it
	}
	if r.Transport == "" {
		r.Transport = m.transport
	}
	repeated := false
	if m.isRequest() {
		key := m.direction + " " + m.method + " " + m.cseq + " " + m.branch
		repeated = r.seen[key]
		r.seen[key] = true
	}
	r.Messages = append(r.Messages, Message{
		At: now(), Direction: m.direction, Transport: m.transport, Line: m.line, Method: m.method,
		Status: m.status, CSeq: m.cseq, CallID: m.callID, Retransmission: repeated,
	})
	r.follow(m, repeated)
	return r
}

// update changes a record under the ledger's lock.
func (l *Ledger) update(r *Record, change func(r *Record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(r)
}

// end closes a record once; later reasons are ignored.
func (l *Ledger) end(r *Record, by string) {
	l.update(r, func(r *Record) { r.end(by) })
}

// read returns a copy that the caller may keep.
func (l *Ledger) read(r *Record) Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return copyRecord(r)
}

func copyRecord(r *Record) Record {
	c := *r
	c.Messages = slices.Clone(r.Messages)
	c.DTMF = slices.Clone(r.DTMF)
	c.Said = slices.Clone(r.Said)
	c.RTP.Replies = append([]Reply{}, r.RTP.Replies...)
	c.seen = nil
	return c
}

// lastMessage returns when a call was last heard of, and its state.
func (l *Ledger) lastMessage(r *Record) (at time.Time, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at = r.StartedAt.Time
	if n := len(r.Messages); n > 0 {
		at = r.Messages[n-1].At.Time
	}
	return at, r.State
}

func (l *Ledger) withCallID(callID string) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byCallID[callID]
}

// withID finds a record by its own id or by its Call-ID.
func (l *Ledger) withID(id string) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.ordered {
		if r.ID == id || r.CallID == id {
			return r
		}
	}
	return nil
}

// filter is what `GET /calls` may ask for; zero values match everything.
type filter struct {
	number, callID, state string
	since                 time.Time
}

func (f filter) matches(r *Record) bool {
	return (f.number == "" || bareNumber(f.number) == bareNumber(r.Number)) &&
		(f.callID == "" || f.callID == r.CallID) &&
		(f.state == "" || f.state == r.State) &&
		!r.StartedAt.Before(f.since)
}

// bareNumber drops the plus sign, which a query string may have turned into a space.
func bareNumber(number string) string { return strings.TrimLeft(number, "+ ") }

func (l *Ledger) list(f filter) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []Record{}
	for _, r := range l.ordered {
		if f.matches(r) {
			found = append(found, copyRecord(r))
		}
	}
	return found
}

// forgetEnded drops the records of calls that are over and keeps the live ones.
func (l *Ledger) forgetEnded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ordered = slices.DeleteFunc(l.ordered, func(r *Record) bool {
		if r.State != stateEnded {
			return false
		}
		delete(l.byCallID, r.CallID)
		return true
	})
}
