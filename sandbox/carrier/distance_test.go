package main

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestARefusalIsNotThereBeforeTheCallerHasSentAll(t *testing.T) {
	const away = 200 * time.Millisecond
	x, p := startCarrier(t, func(o *options) { o.away = away }), startPeer(t)
	b := behaviourNamed("busy")
	began := time.Now()
	if c := p.call(x, b.Number); c.status() != 486 {
		t.Fatal(c.err)
	}
	// The INVITE, and the one with credentials.
	if took := time.Since(began); took < 2*away {
		t.Errorf("refused after %v", took)
	}
	// The ledger keeps the moment at which a message came, not the one at which it was heard.
	r := x.onlyRecord(t, b.Number)
	if lag := r.Messages[1].At.Sub(r.Messages[0].At.Time); lag < away/2 {
		t.Errorf("challenged after %v: %s", lag, ladder(r))
	}
}

func TestDatagramsKeepTheirOrderAndTheirDistance(t *testing.T) {
	const away = 100 * time.Millisecond
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	line := distantPackets(socket, away)
	sender, err := net.Dial("udp4", socket.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	began, buffer := time.Now(), make([]byte, 16)
	for _, word := range []string{"one", "two", "three"} {
		_, _ = sender.Write([]byte(word))
	}
	for _, word := range []string{"one", "two", "three"} {
		n, from, err := line.ReadFrom(buffer)
		if err != nil || string(buffer[:n]) != word || from.String() != sender.LocalAddr().String() {
			t.Errorf("%q from %v, %v; not %q", buffer[:n], from, err, word)
		}
	}
	if took := time.Since(began); took < away {
		t.Errorf("heard after %v", took)
	}
	_ = errors.Join(sender.Close(), line.Close())
	if _, _, err := line.ReadFrom(buffer); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestACallOverTCPIsAsFarAway(t *testing.T) {
	const away = 100 * time.Millisecond
	x := startCarrier(t, func(o *options) { o.away = away })
	conn, err := net.Dial("tcp4", x.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := sip.NewRequest(sip.OPTIONS, x.addressFor("carrier"))
	request.AppendHeader(sip.NewHeader("Via", "SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK.far;rport"))
	request.AppendHeader(sip.NewHeader("From", "<sip:a@127.0.0.1>;tag=far"))
	request.AppendHeader(sip.NewHeader("To", "<sip:b@127.0.0.1>"))
	request.AppendHeader(sip.NewHeader("Call-ID", "far-away"))
	request.AppendHeader(sip.NewHeader("CSeq", "1 OPTIONS"))
	request.AppendHeader(sip.NewHeader("Content-Length", "0"))
	began := time.Now()
	_, _ = conn.Write([]byte(request.String()))
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1024)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < away {
		t.Errorf("answered after %v", took)
	}
}
