package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
)

const (
	trunkUser     = "trunk"
	trunkPassword = "secret of the trunk"
)

// patience is how long anything may take before it counts as not happening. It is far more than
// a machine of one's own needs, because the next machine is busy with something else.
const patience = 30 * time.Second

// until polls a condition; a test never sleeps for one.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func startCarrier(t *testing.T, change ...func(o *options)) *carrier {
	t.Helper()
	return startCarrierWith(t, newVoiceBox("", ""), change...)
}

func startCarrierWith(t *testing.T, voices *voiceBox, change ...func(o *options)) *carrier {
	t.Helper()
	o := options{
		sipAddress: "127.0.0.1:0", username: trunkUser, password: trunkPassword,
		dir: t.TempDir(), rtpFirst: 34000, rtpLast: 34998, ring: 20 * time.Millisecond,
		away: 5 * time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	x, err := newCarrier(o, voices)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	if err := x.start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.stop(time.Second); stop() })
	return x
}

func (x *carrier) address() string { return net.JoinHostPort(x.ip.String(), strconv.Itoa(x.port)) }

// peer stands where the bridge stands: it calls the carrier and can be called by it.
type peer struct {
	t       *testing.T
	address string
	dialogs *sipgo.DialogUA
	server  *sipgo.Server
	refuses atomic.Bool // what is offered anew

	mu       sync.Mutex
	sessions map[string]*sipgo.DialogClientSession
	byes     int
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	t.Parallel() // every test has its own carrier and its own ports
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ua, _ := sipgo.NewUA()
	server, _ := sipgo.NewServer(ua)
	address := conn.LocalAddr().String()
	client, _ := sipgo.NewClient(ua, sipgo.WithClientAddr(address), sipgo.WithClientConnectionAddr(address))
	local := conn.LocalAddr().(*net.UDPAddr)
	p := &peer{t: t, address: address, server: server, sessions: map[string]*sipgo.DialogClientSession{}}
	p.dialogs = &sipgo.DialogUA{Client: client, ContactHDR: sip.ContactHeader{
		Address: sip.Uri{Scheme: "sip", User: "bridge", Host: "127.0.0.1", Port: local.Port}}}
	server.OnBye(p.onBye)
	server.OnInvite(p.onReinvite)
	server.OnAck(func(*sip.Request, sip.ServerTransaction) {})
	go func() { _ = server.ServeUDP(conn) }()
	if err := waitForListener(server, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(conn.Close(), ua.Close()) })
	return p
}

func (p *peer) onBye(req *sip.Request, tx sip.ServerTransaction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byes++
	if s := p.sessions[req.CallID().Value()]; s != nil {
		_ = s.ReadBye(req, tx)
		return
	}
	answerWith(481, "No")(req, tx)
}

func (p *peer) byeCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byes
}

func (p *peer) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	if p.refuses.Load() {
		answerWith(481, "Call/Transaction Does Not Exist")(req, tx)
		return
	}
	answer := description{local: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, codecs: []codec{pcmu}, direction: "sendrecv"}
	_ = tx.Respond(sip.NewSDPResponseFromRequest(req, answer.bytes()))
}

// dialled is one call that the peer makes, with an RTP socket of its own.
type dialled struct {
	peer    *peer
	session *sipgo.DialogClientSession
	media   *net.UDPConn
	remote  *net.UDPAddr
	err     error
}

type dialing struct {
	number, username, password string
	codecs                     []codec
	ctx                        context.Context
}

func (p *peer) call(x *carrier, number string) *dialled {
	return p.dial(x, dialing{number: number, username: trunkUser, password: trunkPassword})
}

func (p *peer) dial(x *carrier, d dialing) *dialled {
	p.t.Helper()
	media, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = media.Close() })
	if d.codecs == nil {
		d.codecs = []codec{pcmu, pcma}
	}
	if d.ctx == nil {
		ctx, done := context.WithTimeout(context.Background(), patience)
		p.t.Cleanup(done)
		d.ctx = ctx
	}
	offer := description{local: media.LocalAddr().(*net.UDPAddr), codecs: d.codecs, dtmfType: 101, direction: "sendrecv"}
	c := &dialled{peer: p, media: media}
	c.session, c.err = p.dialogs.Invite(d.ctx, x.addressFor(d.number), offer.bytes(), sip.NewHeader("Content-Type", "application/sdp"))
	if c.err == nil {
		p.mu.Lock()
		p.sessions[c.callID()] = c.session
		p.mu.Unlock()
		c.err = c.session.WaitAnswer(d.ctx, sipgo.AnswerOptions{Username: d.username, Password: d.password})
	}
	if c.err == nil {
		answer, err := readSDP(c.session.InviteResponse.Body(), []codec{pcmu, pcma}, asOffered)
		if err != nil {
			p.t.Fatal(err)
		}
		c.remote = answer.remote
		c.err = c.session.Ack(context.Background())
	}
	return c
}

func (c *dialled) callID() string { return c.session.InviteRequest.CallID().Value() }

func (c *dialled) status() int {
	var refused *sipgo.ErrDialogResponse
	if errors.As(c.err, &refused) {
		return refused.Res.StatusCode
	}
	return 0
}

func (c *dialled) hangUp() error {
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	return c.session.Bye(ctx)
}

func (c *dialled) send(payloadType uint8, seq uint16, ts uint32, payload []byte) {
	packet := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: seq, Timestamp: ts, SSRC: 99}, Payload: payload}
	raw, _ := packet.Marshal()
	_, _ = c.media.WriteToUDP(raw, c.remote)
}

// hear reads RTP until the condition holds, and returns what arrived.
func (c *dialled) hear(timeout time.Duration, enough func(packets []rtp.Packet) bool) []rtp.Packet {
	var packets []rtp.Packet
	buf := make([]byte, 2048)
	_ = c.media.SetReadDeadline(time.Now().Add(timeout))
	for !enough(packets) {
		n, _, err := c.media.ReadFromUDP(buf)
		if err != nil {
			return packets
		}
		var packet rtp.Packet
		if packet.Unmarshal(append([]byte(nil), buf[:n]...)) == nil {
			packets = append(packets, packet)
		}
	}
	return packets
}

func (x *carrier) onlyRecord(t *testing.T, number string) Record {
	t.Helper()
	x.refreshCounts()
	records := x.ledger.list(filter{number: number})
	if len(records) != 1 {
		t.Fatalf("%d records of %s", len(records), number)
	}
	return records[0]
}

// ladder writes the messages of a record as one line.
func ladder(r Record) string {
	var steps []string
	for _, m := range r.Messages {
		what := m.Method
		if m.Status != 0 {
			what = fmt.Sprintf("%d", m.Status)
		}
		steps = append(steps, m.Direction+" "+what)
	}
	return strings.Join(steps, ", ")
}
