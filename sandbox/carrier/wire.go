package main

import (
	"bytes"
	"net"
	"strconv"
	"strings"
)

// wireMessage is the little of a SIP message that the ledger keeps.
type wireMessage struct {
	direction string // "rx" or "tx", seen from the carrier
	transport string // "udp", "tcp" or "tls"
	line      string
	method    string // of a request; of a response, the method it answers
	status    int    // 0 for a request
	cseq      string
	callID    string
	branch    string
	user      string            // user part of the request URI
	from      string            // user part of the From header
	inDialog  bool              // the To header has a tag
	signed    bool              // carries digest credentials
	extra     map[string]string // headers whose name begins with X-, in lower case
}

func (m wireMessage) isRequest() bool { return m.status == 0 }

// over names the transport that carried the message.
func (m wireMessage) over(transport string) wireMessage {
	m.transport = transport
	return m
}

// wireTap sees every SIP message that enters or leaves, retransmissions included.
// What `received` refuses never reaches the SIP stack: that is how a mute carrier is played.
type wireTap interface {
	received(m wireMessage) (deliver bool)
	sent(m wireMessage)
}

// readWireMessage reads the headers that the ledger needs and nothing else: the
// SIP stack's own parser comes later and may refuse what we still want to record.
func readWireMessage(direction string, data []byte) (wireMessage, bool) {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	m := wireMessage{direction: direction, line: lines[0]}
	if !readStartLine(&m) {
		return m, false
	}
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if found {
			readHeader(&m, strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value))
		}
	}
	return m, m.callID != ""
}

func readStartLine(m *wireMessage) bool {
	words := strings.SplitN(m.line, " ", 3)
	if len(words) < 3 {
		return false
	}
	if words[0] == "SIP/2.0" {
		m.status, _ = strconv.Atoi(words[1])
		return m.status >= 100
	}
	m.method, m.user = words[0], userPart(words[1])
	return words[2] == "SIP/2.0"
}

func readHeader(m *wireMessage, name, value string) {
	switch name {
	case "call-id", "i":
		m.callID = value
	case "cseq":
		m.cseq = value
		if _, method, ok := strings.Cut(value, " "); ok {
			m.method = strings.TrimSpace(method)
		}
	case "from", "f":
		m.from = userPart(value)
	case "to", "t":
		m.inDialog = parameter(value, "tag=") != ""
	case "authorization", "proxy-authorization":
		m.signed = true
	case "via", "v":
		if m.branch == "" {
			m.branch = parameter(value, "branch=")
		}
	default:
		if strings.HasPrefix(name, "x-") {
			if m.extra == nil {
				m.extra = map[string]string{}
			}
			m.extra[name] = value
		}
	}
}

func userPart(address string) string {
	_, rest, found := strings.Cut(address, "sip:")
	user, _, hasUser := strings.Cut(rest, "@")
	if !found || !hasUser {
		return ""
	}
	return user
}

func parameter(value, prefix string) string {
	_, rest, found := strings.Cut(value, prefix)
	if !found {
		return ""
	}
	if end := strings.IndexAny(rest, ";, "); end >= 0 {
		return rest[:end]
	}
	return rest
}

// tappedPacketConn shows each datagram to the tap: one datagram is one message.
type tappedPacketConn struct {
	net.PacketConn
	tap wireTap
}

func (c *tappedPacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, addr, err := c.PacketConn.ReadFrom(p)
		if err != nil {
			return n, addr, err
		}
		if m, ok := readWireMessage("rx", p[:n]); ok && !c.tap.received(m.over("udp")) {
			continue
		}
		return n, addr, nil
	}
}

func (c *tappedPacketConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if m, ok := readWireMessage("tx", p); ok {
		c.tap.sent(m.over("udp")) // before the write, so that the ledger never trails the peer
	}
	return c.PacketConn.WriteTo(p, addr)
}

// tappedListener wraps accepted connections of one transport.
type tappedListener struct {
	net.Listener
	transport string
	tap       wireTap
}

func (l *tappedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tappedConn{Conn: conn, transport: l.transport, tap: l.tap}, nil
}

// tappedConn cuts the byte stream into whole messages, so that a refused one can be left out.
type tappedConn struct {
	net.Conn
	transport string
	tap       wireTap
	pending   []byte // received, not yet a whole message
	ready     []byte // whole messages that were let through
}

func (c *tappedConn) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		chunk := make([]byte, 8192)
		n, err := c.Conn.Read(chunk)
		if err != nil {
			return 0, err
		}
		c.pending = append(c.pending, chunk[:n]...)
		c.letThrough()
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *tappedConn) letThrough() {
	for {
		size := wholeMessage(c.pending)
		if size == 0 {
			return
		}
		data := c.pending[:size]
		if m, ok := readWireMessage("rx", data); !ok || c.tap.received(m.over(c.transport)) {
			c.ready = append(c.ready, data...)
		}
		c.pending = c.pending[size:]
	}
}

func (c *tappedConn) Write(p []byte) (int, error) {
	if m, ok := readWireMessage("tx", p); ok {
		c.tap.sent(m.over(c.transport))
	}
	return c.Conn.Write(p)
}

// wholeMessage returns the size of the first complete message in data, or 0.
func wholeMessage(data []byte) int {
	if bytes.HasPrefix(data, []byte("\r\n")) { // keep-alive (RFC 5626 section 4.4.1)
		return 2
	}
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	size := end + 4 + contentLength(data[:end])
	if size > len(data) {
		return 0
	}
	return size
}

func contentLength(head []byte) int {
	for _, line := range strings.Split(string(head), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "content-length" || name == "l" {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return max(n, 0)
		}
	}
	return 0
}
