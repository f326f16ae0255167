package main

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// challenge says how a number asks for credentials.
type challenge int

const (
	challengeProxy   challenge = iota // 407, as a trunk does
	challengeUser                     // 401, as a registrar does
	challengeForever                  // 407 whatever the answer
	challengeNone
)

const (
	realm         = "carrier"
	nonceLifetime = 5 * time.Minute
)

// gatekeeper checks digest credentials (RFC 3261 section 22, RFC 7616).
type gatekeeper struct {
	username, password string
	realm              string
	staleFirst         bool

	mu     sync.Mutex
	nonces map[string]time.Time // when issued
	firsts map[string]bool      // those that have run out when they are used
}

func newGatekeeper(username, password string) *gatekeeper {
	return &gatekeeper{
		username: username, password: password, realm: realm,
		nonces: map[string]time.Time{}, firsts: map[string]bool{},
	}
}

// admit returns nil when the request may pass, else the response that refuses it.
func (g *gatekeeper) admit(req *sip.Request, kind challenge) *sip.Response {
	if kind == challengeNone || g.username == "" {
		return nil
	}
	credentials := credentialsOf(req, kind)
	if credentials == nil || kind == challengeForever || !g.issued(credentials.Nonce) {
		return g.ask(req, kind, false)
	}
	if !g.correct(credentials, req.Method.String()) {
		return sip.NewResponseFromRequest(req, 403, "Forbidden", nil)
	}
	if g.ranOut(credentials.Nonce) {
		return g.ask(req, kind, true)
	}
	return nil
}

func credentialsOf(req *sip.Request, kind challenge) *digest.Credentials {
	name := "Proxy-Authorization"
	if kind == challengeUser {
		name = "Authorization"
	}
	header := req.GetHeader(name)
	if header == nil {
		return nil
	}
	credentials, err := digest.ParseCredentials(header.Value())
	if err != nil {
		return nil
	}
	return credentials
}

// becomes the gatekeeper of a profile.
func (g *gatekeeper) becomes(p profile) {
	if p.realm != "" {
		g.realm, g.staleFirst = p.realm, p.staleFirst
	}
}

func (g *gatekeeper) ask(req *sip.Request, kind challenge, stale bool) *sip.Response {
	c := digest.Challenge{
		Realm: g.realm, Nonce: g.issue(g.staleFirst && !stale), Stale: stale,
		Algorithm: "MD5", QOP: []string{"auth"},
	}
	status, reason, name := 407, "Proxy Authentication Required", "Proxy-Authenticate"
	if kind == challengeUser {
		status, reason, name = 401, "Unauthorized", "WWW-Authenticate"
	}
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	res.AppendHeader(sip.NewHeader(name, c.String()))
	return res
}

func (g *gatekeeper) correct(c *digest.Credentials, method string) bool {
	expected, err := digest.Digest(
		&digest.Challenge{Realm: g.realm, Nonce: c.Nonce, Algorithm: "MD5", QOP: qopOf(c)},
		digest.Options{
			Method: method, URI: c.URI, Count: c.Nc, Cnonce: c.Cnonce,
			Username: g.username, Password: g.password,
		},
	)
	return err == nil && c.Username == g.username && c.Response == expected.Response
}

// qopOf lets a client answer without a quality of protection, as RFC 2069 clients do.
func qopOf(c *digest.Credentials) []string {
	if c.QOP == "" {
		return nil
	}
	return []string{c.QOP}
}

func (g *gatekeeper) issue(first bool) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	nonce := hex.EncodeToString(b[:])
	g.mu.Lock()
	defer g.mu.Unlock()
	for old, at := range g.nonces {
		if time.Since(at) > nonceLifetime {
			delete(g.nonces, old)
			delete(g.firsts, old)
		}
	}
	g.nonces[nonce] = time.Now()
	if first {
		g.firsts[nonce] = true
	}
	return nonce
}

func (g *gatekeeper) issued(nonce string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, known := g.nonces[nonce]
	return known && time.Since(at) < nonceLifetime
}

// ranOut tells whether a nonce is one of those that do not last until they are used.
func (g *gatekeeper) ranOut(nonce string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.firsts[nonce]
}
