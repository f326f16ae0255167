package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// tlsOptions is SIP over TLS: where it listens, who it is, whom it trusts. Without an address there is none.
type tlsOptions struct {
	tlsAddress      string
	tlsCert, tlsKey string // PEM files, read anew for each connection
	tlsTrust        string // PEM file of the authorities that may vouch for a bridge; empty: the system's
	tlsBridge       string // where originated calls go
}

// connectWithin is how long a connection of ours over TLS may take.
const connectWithin = 10 * time.Second

var errNoTLS = errors.New("no TLS: start the carrier with -tls HOST:PORT, -tls-cert and -tls-key")

// startTLS listens for TLS, where that is wanted.
func (x *carrier) startTLS(ctx context.Context) error {
	if x.tlsAddress == "" {
		return nil
	}
	if _, err := x.certificate(nil); err != nil {
		return err
	}
	listener, err := tls.Listen("tcp4", x.tlsAddress, &tls.Config{GetCertificate: x.certificate, NextProtos: sipOverTLS})
	if err != nil {
		return err
	}
	local := listener.Addr().(*net.TCPAddr)
	client, err := sipgo.NewClient(x.ua, sipgo.WithClientAddr(local.String()))
	if err != nil {
		return err
	}
	contact := sip.Uri{Scheme: "sip", User: "carrier", Host: local.IP.String(), Port: local.Port, UriParams: sip.NewParams()}
	contact.UriParams.Add("transport", "tls")
	x.dialogs["TLS"] = &sipgo.DialogUA{Client: client, ContactHDR: sip.ContactHeader{Address: contact}, RewriteContact: true}
	x.tls = newMeetingPoint(listener)
	go func() { _ = x.server.ServeTLS(&distantListener{&tappedListener{x.tls, "tls", x}, x.away}) }()
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	return nil
}

// sipOverTLS is the protocol's name in ALPN.
var sipOverTLS = []string{"sip"}

// certificate reads who we are from the files, so that a renewed one is taken with the next connection.
func (x *carrier) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(x.tlsCert, x.tlsKey)
	return &pair, err
}

func (x *carrier) trusted() (*x509.CertPool, error) {
	if x.tlsTrust == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(x.tlsTrust)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", x.tlsTrust)
	}
	return pool, nil
}

// reach makes sure that the SIP stack has a connection to a bridge over TLS.
func (x *carrier) reach(ctx context.Context, bridge string) error {
	if x.connected(bridge) {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, connectWithin)
	defer done()
	roots, err := x.trusted()
	if err != nil {
		return err
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, NextProtos: sipOverTLS}}
	conn, err := dialer.DialContext(ctx, "tcp4", bridge)
	if err != nil {
		return err
	}
	if err := x.tls.bring(ctx, conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	for !x.connected(bridge) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

func (x *carrier) connected(bridge string) bool {
	conn, err := x.server.TransportLayer().GetConnection("tls", bridge)
	return err == nil && conn != nil
}

// meetingPoint gives the SIP stack the connections that were accepted and, in the same way, those that
// we dialled: what the stack dials by itself would pass the tap by.
type meetingPoint struct {
	net.Listener
	met chan meeting
}

type meeting struct {
	conn net.Conn
	err  error
}

func newMeetingPoint(listener net.Listener) *meetingPoint {
	m := &meetingPoint{Listener: listener, met: make(chan meeting)}
	go func() {
		for {
			conn, err := listener.Accept()
			m.met <- meeting{conn, err}
			if err != nil {
				return
			}
		}
	}()
	return m
}

func (m *meetingPoint) Accept() (net.Conn, error) {
	next := <-m.met
	return next.conn, next.err
}

func (m *meetingPoint) bring(ctx context.Context, conn net.Conn) error {
	select {
	case m.met <- meeting{conn, nil}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
