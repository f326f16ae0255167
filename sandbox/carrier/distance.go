package main

import (
	"net"
	"time"
)

// distantPacketConn lets the SIP stack hear each datagram some time after it came, as over a line of
// some length. On loopback an answer can otherwise overtake the sender's own bookkeeping of
// its request: livekit/sipgo, and the sipgo it stems from, arm a transaction's timers only
// after the write (ClientTx.Init), and drop a refusal that is there before that.
// The ledger sits below and keeps the times of the wire.
type distantPacketConn struct {
	net.PacketConn
	line chan datagram
	away time.Duration
}

// datagram is one that is on its way; with an error it is the last.
type datagram struct {
	data []byte
	from net.Addr
	due  time.Time
	err  error
}

// onTheLine is how many datagrams may be on their way; more wait in the socket.
const onTheLine = 1024

func distantPackets(conn net.PacketConn, away time.Duration) net.PacketConn {
	if away <= 0 {
		return conn
	}
	c := &distantPacketConn{PacketConn: conn, line: make(chan datagram, onTheLine), away: away}
	go c.carry()
	return c
}

func (c *distantPacketConn) carry() {
	defer close(c.line)
	buffer := make([]byte, 65535)
	for {
		n, from, err := c.PacketConn.ReadFrom(buffer)
		data := append([]byte(nil), buffer[:n]...)
		c.line <- datagram{data, from, time.Now().Add(c.away), err}
		if err != nil {
			return
		}
	}
}

func (c *distantPacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	d, ok := <-c.line
	if !ok {
		return 0, nil, net.ErrClosed
	}
	if d.err == nil {
		time.Sleep(time.Until(d.due))
	}
	return copy(p, d.data), d.from, d.err
}

// distantListener does the same for the connections that it accepts.
type distantListener struct {
	net.Listener
	away time.Duration
}

func (l *distantListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &distantConn{conn, l.away}, nil
}

type distantConn struct {
	net.Conn
	away time.Duration
}

// Read gives bytes at least that much later; what comes meanwhile waits with the next ones.
func (c *distantConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		time.Sleep(c.away)
	}
	return n, err
}
