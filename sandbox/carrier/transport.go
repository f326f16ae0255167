package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// start binds UDP and TCP on the same port, TLS on its own, and serves until the context ends.
func (x *carrier) start(ctx context.Context) error {
	packets, listener, err := listenBoth(x.sipAddress)
	if err != nil {
		return err
	}
	local := packets.LocalAddr().(*net.UDPAddr)
	x.ip, x.port = local.IP, local.Port
	x.ports = newPortRange(x.ip, x.rtpFirst, x.rtpLast)
	if err := x.openDialogs(local.String()); err != nil {
		return err
	}
	go func() { _ = x.server.ServeUDP(distantPackets(&tappedPacketConn{packets, x}, x.away)) }()
	go func() { _ = x.server.ServeTCP(&distantListener{&tappedListener{listener, "tcp", x}, x.away}) }()
	go func() {
		<-ctx.Done()
		_ = errors.Join(packets.Close(), listener.Close())
	}()
	if err := errors.Join(x.startTLS(ctx), waitForListener(x.server, local.String())); err != nil {
		return err
	}
	go x.qualify(ctx)
	return nil
}

// listenBoth binds one port for UDP and TCP. With port 0 the system picks a port that is
// free for UDP only, so it takes a few tries.
func listenBoth(address string) (packets net.PacketConn, listener net.Listener, err error) {
	for range 10 {
		if packets, err = net.ListenPacket("udp4", address); err != nil {
			return nil, nil, err
		}
		if listener, err = net.Listen("tcp4", packets.LocalAddr().String()); err == nil {
			return packets, listener, nil
		}
		err = errors.Join(err, packets.Close())
		if !strings.HasSuffix(address, ":0") {
			break
		}
	}
	return nil, nil, err
}

// waitForListener returns once the stack knows its UDP socket: a request of ours that came
// earlier would try to bind the same port again.
func waitForListener(server *sipgo.Server, local string) error {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if conn, err := server.TransportLayer().GetConnection("udp", local); err == nil && conn != nil {
			return nil
		}
	}
	return errors.New("the SIP socket was not taken into service")
}

// openDialogs makes one dialog maker per transport: over UDP our own requests leave from
// the listening socket to the Contact; over TCP they go back on the caller's connection.
func (x *carrier) openDialogs(local string) error {
	contact := sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "carrier", Host: x.ip.String(), Port: x.port}}
	overUDP, err := sipgo.NewClient(x.ua,
		sipgo.WithClientAddr(local), sipgo.WithClientConnectionAddr(local))
	if err != nil {
		return err
	}
	overTCP, err := sipgo.NewClient(x.ua, sipgo.WithClientAddr(local))
	if err != nil {
		return err
	}
	tcpContact := contact
	tcpContact.Address.UriParams = sip.NewParams()
	tcpContact.Address.UriParams.Add("transport", "tcp")
	x.dialogs = map[string]*sipgo.DialogUA{
		"UDP": {Client: overUDP, ContactHDR: contact},
		"TCP": {Client: overTCP, ContactHDR: tcpContact, RewriteContact: true},
	}
	return nil
}

func (x *carrier) dialogsFor(transport string) *sipgo.DialogUA {
	if d, ok := x.dialogs[sip.NetworkToUpper(transport)]; ok {
		return d
	}
	return x.dialogs["UDP"]
}

func (x *carrier) addressFor(user string) sip.Uri {
	return sip.Uri{Scheme: "sip", User: user, Host: x.ip.String(), Port: x.port}
}

func hostPort(address string) (string, int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(port)
	return host, n, err
}
