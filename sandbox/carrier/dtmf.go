package main

import (
	"encoding/binary"
	"strings"
	"time"
)

// dtmfDigits lists the events of RFC 4733 section 3.2 in the order of their codes.
const dtmfDigits = "0123456789*#ABCD"

const (
	dtmfTicks  = 8  // 160 ms of tone, one packet in every 20 ms
	dtmfEnds   = 3  // RFC 4733 section 2.5.1.4: the last packet is sent three times
	dtmfPause  = 4  // 80 ms of silence before the next digit
	dtmfVolume = 10 // -10 dBm0
)

// dtmfPayload is a telephone-event of the given length so far.
func dtmfPayload(digit byte, samples int, end bool) []byte {
	b := make([]byte, 4)
	b[0] = byte(strings.IndexByte(dtmfDigits, digit))
	b[1] = dtmfVolume
	if end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], uint16(samples))
	return b
}

// dtmfListener turns telephone-event packets into digits. All packets of one key press
// carry the same RTP timestamp: the first of them to arrive counts, whichever it is.
type dtmfListener struct {
	last  uint32
	heard bool
}

func (d *dtmfListener) receive(payload []byte, timestamp uint32, at time.Time) (Digit, bool) {
	if len(payload) < 4 || int(payload[0]) >= len(dtmfDigits) {
		return Digit{}, false
	}
	if d.heard && timestamp == d.last {
		return Digit{}, false
	}
	d.last, d.heard = timestamp, true
	return Digit{Digit: dtmfDigits[payload[0] : payload[0]+1], At: stamp{at.UTC()}}, true
}
