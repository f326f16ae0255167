package main

import "time"

// quality measures what the callee hears: packets that never came, holes in the other
// side's speech, and how long the other side takes to answer. It knows arrival times only.
type quality struct {
	ssrc        uint32
	begun       bool
	first, last uint16 // sequence numbers; last is the highest
	cycles      int    // how often the sequence number wrapped
	received    int
	lost        int // of sources that ended
	arrivedAt   time.Time
	longestGap  time.Duration

	audible  int
	quiet    int // packets of silence since the last audible one
	dropouts int
	loudAt   time.Time

	spokeUntil time.Time // the end of our own latest sound
	awaiting   bool      // for an answer to it
	replies    []Reply
}

const (
	// longestDropout is the longest silence inside a speech that is taken for a hole in it.
	longestDropout = time.Second
	// newSpeech is the silence after which sound is the beginning of an answer.
	newSpeech = 300 * time.Millisecond
)

// arrived notes any RTP packet (RFC 3550 appendix A.3, for a source that does not restart).
func (q *quality) arrived(ssrc uint32, seq uint16, at time.Time) {
	if !q.arrivedAt.IsZero() {
		q.longestGap = max(q.longestGap, at.Sub(q.arrivedAt))
	}
	q.arrivedAt = at
	if !q.begun || ssrc != q.ssrc {
		q.lost = q.missing()
		q.begun, q.ssrc, q.first, q.last, q.cycles, q.received = true, ssrc, seq, seq, 0, 1
		return
	}
	q.received++
	if ahead := int16(seq - q.last); ahead > 0 {
		if seq < q.last {
			q.cycles++
		}
		q.last = seq
	}
}

// missing counts what was sent and did not arrive, as the sequence numbers tell.
func (q *quality) missing() int {
	if !q.begun {
		return q.lost
	}
	expected := q.cycles<<16 + int(q.last) - int(q.first) + 1
	return q.lost + max(0, expected-q.received)
}

// spoke notes that our own sound goes on until that moment. What was heard in the middle of
// our words answered something else.
func (q *quality) spoke(until time.Time) {
	if n := len(q.replies); n > 0 && !q.awaiting && until.Sub(q.spokeUntil) <= newSpeech {
		q.replies = q.replies[:n-1]
	}
	q.spokeUntil, q.awaiting = until, true
}

// heard notes an audio packet of the other side.
func (q *quality) heard(audible bool, at time.Time) {
	if !audible {
		q.quiet++
		return
	}
	silent := at.Sub(q.loudAt)
	if q.awaiting && silent > newSpeech && at.After(q.spokeUntil) {
		q.replies = append(q.replies, Reply{stamp{q.spokeUntil.UTC()}, stamp{at.UTC()}})
		q.awaiting = false
	} else if q.audible > 0 && silent < longestDropout && q.spokeUntil.Before(q.loudAt) {
		q.dropouts += q.quiet
	}
	q.audible, q.quiet, q.loudAt = q.audible+1, 0, at
}

func (q *quality) fill(m *Media) {
	m.PacketsLost, m.PacketsAudible, m.Dropouts = q.missing(), q.audible, q.dropouts
	m.LongestGapMS = float64(q.longestGap.Microseconds()) / 1000
	m.Replies = append([]Reply{}, q.replies...)
}
