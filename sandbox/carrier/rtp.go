package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// portRange hands out even UDP ports for RTP in turn, so that a port just freed rests a while.
type portRange struct {
	mu          sync.Mutex
	ip          net.IP
	first, last int
	next        int
}

func newPortRange(ip net.IP, first, last int) *portRange {
	first += first % 2
	return &portRange{ip: ip, first: first, last: last, next: first}
}

func (p *portRange) listen() (*net.UDPConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range (p.last-p.first)/2 + 1 {
		port := p.next
		if p.next += 2; p.next > p.last {
			p.next = p.first
		}
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: p.ip, Port: port})
		if err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("no free RTP port in %d-%d", p.first, p.last)
}

// clip is something to play, and what to write into the ledger about it.
type clip struct {
	pcm   []int16
	text  string
	voice string
}

// outgoing is one entry of the play queue: a clip, or a digit when digit is not 0.
type outgoing struct {
	clip    clip
	digit   byte
	step    int // samples played of a clip, beats played of a digit
	eventAt uint32
	started time.Time
	done    chan struct{}
}

// mediaEvents is where a stream tells what it saw; the ledger hangs behind it.
type mediaEvents interface {
	heardDigit(Digit)
	played(said Said)
}

// stream is the RTP side of one call: what the phone says and hears.
type stream struct {
	conn   *net.UDPConn
	events mediaEvents

	mu       sync.Mutex
	remote   *net.UDPAddr
	codec    codec
	dtmfType uint8
	sealing  *sealing // nil in clear
	sending  bool
	echo     bool
	queue    []*outgoing
	echoed   []int16
	seq      uint16
	ts       uint32
	ssrc     uint32
	counts   Media
	ear      ear
	quality  quality
	dtmf     dtmfListener
	tape     tape
	closed   bool
}

func newStream(conn *net.UDPConn, events mediaEvents) *stream {
	return &stream{
		conn: conn, events: events, codec: pcmu, // until the answer says otherwise: early media may come first
		seq: uint16(rand.Uint32()), ts: rand.Uint32(), ssrc: rand.Uint32(),
	}
}

func (s *stream) local() *net.UDPAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.LocalAddr().(*net.UDPAddr)
}

// moveTo takes another port. The one before it hears on, until whoever called closes it.
func (s *stream) moveTo(conn *net.UDPConn) (before *net.UDPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.conn = s.conn, conn
	go s.listen(conn)
	return before
}

// connect sets where to send and in which format, and takes the peer's key on a sealed call.
func (s *stream) connect(o offer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Profile = clearProfile
	if s.sealing != nil {
		if err := s.sealing.meet(o.key); err != nil {
			return err
		}
		s.counts.Profile, s.counts.Crypto = sealedProfile, suite
	}
	c := o.codecs[0]
	s.remote, s.codec, s.dtmfType, s.counts.Codec = o.remote, c, o.dtmfType, c.name
	return nil
}

func (s *stream) setSending(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = on
}

func (s *stream) setEcho(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.echo = on
}

// play queues an entry and returns a channel that closes when it has been played out.
func (s *stream) play(o *outgoing) <-chan struct{} {
	o.done = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		close(o.done)
		return o.done
	}
	s.queue = append(s.queue, o)
	return o.done
}

// beat sends the packet of this 20 ms.
func (s *stream) beat(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.sending || s.remote == nil {
		return
	}
	if len(s.queue) > 0 && s.queue[0].digit != 0 {
		s.sendDigit(s.queue[0], at)
	} else {
		s.sendAudio(s.nextFrame(at), at)
	}
	s.ts += frameSamples
}

func (s *stream) nextFrame(at time.Time) []int16 {
	frame := make([]int16, frameSamples)
	if len(s.queue) == 0 {
		s.echoed = s.echoed[copy(frame, s.echoed):]
		return frame
	}
	o := s.queue[0]
	if o.step == 0 {
		o.started = at
	}
	o.step += copy(frame, o.clip.pcm[o.step:])
	if o.step >= len(o.clip.pcm) {
		s.finish(o, at.Add(frameTime))
	}
	return frame
}

// finish takes the head off the queue and reports it.
func (s *stream) finish(o *outgoing, at time.Time) {
	s.queue = s.queue[1:]
	close(o.done)
	if o.digit == 0 {
		s.events.played(Said{o.clip.text, o.clip.voice, stamp{o.started.UTC()}, stamp{at.UTC()}})
	}
}

func (s *stream) sendAudio(frame []int16, at time.Time) {
	payload := make([]byte, frameSamples)
	s.codec.pack(payload, frame)
	s.send(s.codec.payloadType, s.ts, false, payload)
	if level(frame) > audibleDBFS {
		s.quality.spoke(at.Add(frameTime))
	}
	s.tape.said(frame, at)
}

// sendDigit sends one packet of a key press: all carry the timestamp of its start (RFC 4733).
func (s *stream) sendDigit(o *outgoing, at time.Time) {
	if o.step == 0 {
		o.started, o.eventAt = at, s.ts
	}
	o.step++
	switch samples := min(o.step, dtmfTicks) * frameSamples; {
	case s.dtmfType == 0: // nothing negotiated, nothing to send
		s.finish(o, at)
	case o.step < dtmfTicks:
		s.send(s.dtmfType, o.eventAt, o.step == 1, dtmfPayload(o.digit, samples, false))
	case o.step == dtmfTicks:
		for range dtmfEnds {
			s.send(s.dtmfType, o.eventAt, false, dtmfPayload(o.digit, samples, true))
		}
	case o.step > dtmfTicks+dtmfPause:
		s.finish(o, at)
	default:
		s.sendAudio(make([]int16, frameSamples), at)
	}
}

func (s *stream) send(payloadType uint8, ts uint32, marker bool, payload []byte) {
	p := rtp.Packet{
		Header: rtp.Header{
			Version: 2, Marker: marker, PayloadType: payloadType,
			SequenceNumber: s.seq, Timestamp: ts, SSRC: s.ssrc,
		},
		Payload: payload,
	}
	s.seq++
	raw, err := p.Marshal()
	if err == nil && s.sealing != nil {
		raw, err = s.sealing.out.EncryptRTP(nil, raw, nil)
	}
	if err != nil {
		return
	}
	if _, err := s.conn.WriteToUDP(raw, s.remote); err == nil {
		s.counts.PacketsSent++
	}
}

// listen receives until the socket is closed.
func (s *stream) listen(conn *net.UDPConn) {
	buf := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFromUDP(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP refusal of something we sent
		}
		if p := s.opened(buf[:n]); p != nil {
			s.receive(p, time.Now())
		}
	}
}

func (s *stream) receive(p *rtp.Packet, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.PacketsReceived++
	s.quality.arrived(p.SSRC, p.SequenceNumber, at)
	s.counts.LastReceivedAt = stamp{at.UTC()}
	if s.counts.FirstReceivedAt.IsZero() {
		s.counts.FirstReceivedAt = s.counts.LastReceivedAt
	}
	switch {
	case s.dtmfType != 0 && p.PayloadType == s.dtmfType:
		if digit, fresh := s.dtmf.receive(p.Payload, p.Timestamp, at); fresh {
			s.events.heardDigit(digit)
		}
	case p.PayloadType == s.codec.payloadType && len(p.Payload) > 0:
		s.hear(s.codec.unpack(p.Payload), p, at)
	}
}

func (s *stream) hear(pcm []int16, p *rtp.Packet, at time.Time) {
	loudness := level(pcm)
	s.ear.hear(loudness, at)
	s.quality.heard(loudness > audibleDBFS, at)
	if loudness > audibleDBFS {
		s.counts.LastAudibleAt = stamp{at.UTC()}
		if s.counts.FirstAudibleAt.IsZero() {
			s.counts.FirstAudibleAt = s.counts.LastAudibleAt
		}
	}
	if s.echo && len(s.echoed) < sampleRate {
		s.echoed = append(s.echoed, pcm...)
	}
	s.tape.heard(pcm, p.SSRC, p.Timestamp, at)
}

// close frees the port, ends what was being said and closes the recordings.
func (s *stream) close(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	_ = s.conn.Close()
	for len(s.queue) > 0 {
		if o := s.queue[0]; o.step == 0 { // never began
			s.queue = s.queue[1:]
			close(o.done)
		} else {
			s.finish(o, at)
		}
	}
	s.tape.close(at)
}

func (s *stream) snapshot() Media {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	s.quality.fill(&counts)
	return counts
}
