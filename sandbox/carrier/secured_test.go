package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a certificate authority of one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := template("authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.write("authority.pem", "CERTIFICATE", der)
	return a
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

// issue gives the files of a certificate and its key.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificate(rand.Reader, template(name), a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, _ := x509.MarshalECPrivateKey(private)
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "EC PRIVATE KEY", encoded)
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// speaksTLS gives a carrier an identity by one authority and trust in another.
func speaksTLS(name string, by, trusted *authority) func(o *options) {
	return func(o *options) {
		o.tlsAddress, o.username = "127.0.0.1:0", ""
		o.tlsCert, o.tlsKey = by.issue(name)
		o.tlsTrust = filepath.Join(trusted.dir, "authority.pem")
	}
}

// pair gives two carriers that trust each other: one calls, the other plays the numbers.
func pair(t *testing.T) (caller, callee *carrier) {
	t.Helper()
	t.Parallel()
	a := newAuthority(t)
	callee = startCarrier(t, speaksTLS("callee", a, a), func(o *options) { o.rtpFirst, o.rtpLast = 36200, 36400 })
	caller = startCarrier(t, speaksTLS("caller", a, a), func(o *options) { o.rtpFirst, o.rtpLast = 36402, 36600 })
	caller.tlsBridge, caller.bridge = callee.tls.Addr().String(), callee.address()
	return caller, callee
}

// calls makes a call and waits for its end; it gives both sides' records.
func calls(t *testing.T, caller, callee *carrier, o origination) (made, taken Record) {
	t.Helper()
	o.From, o.Behaviour = "+14155559999", "silent"
	r, err := caller.originate(o)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "both records are complete", func() bool {
		taken := callee.ledger.list(filter{number: o.To})
		return caller.ledger.read(r).Complete && len(taken) == 1 && taken[0].Complete
	})
	return caller.ledger.read(r), callee.onlyRecord(t, o.To)
}

func TestACallOverTLSWithSRTPIsHeardOnBothSidesAndNothingOfItIsInClear(t *testing.T) {
	caller, callee := pair(t)
	made, taken := calls(t, caller, callee, origination{To: behaviourNamed("hangs_up").Number, Transport: "tls", SRTP: true})
	for _, r := range []Record{made, taken} {
		if r.Transport != "tls" || r.FinalStatus != 200 || r.Invites != 1 {
			t.Errorf("%s: over %s, %d, %d invites: %s", r.Direction, r.Transport, r.FinalStatus, r.Invites, ladder(r))
		}
		for _, m := range r.Messages {
			if m.Transport != "tls" {
				t.Errorf("%s went over %s", m.Line, m.Transport)
			}
		}
		if r.RTP.Profile != sealedProfile || r.RTP.Crypto != suite || r.RTP.PacketsRefused != 0 || r.RTP.PacketsReceived < 30 {
			t.Errorf("%s: %+v", r.Direction, r.RTP)
		}
	}
	if taken.EndedBy != byCarrier || made.EndedBy != byBridge {
		t.Errorf("hung up by %s and by %s: %s", taken.EndedBy, made.EndedBy, ladder(taken))
	}
}

func TestASecondCallOverTLSGoesOverTheSameConnection(t *testing.T) {
	caller, callee := pair(t)
	for _, name := range []string{"hangs_up", "early_bye"} {
		calls(t, caller, callee, origination{To: behaviourNamed(name).Number, Transport: "tls"})
	}
	if n := callee.server.TransportLayer().Pool("tls").Size(); n != 2 { // known by its two ends
		t.Errorf("%d entries for one connection", n)
	}
}

func TestNumbersTakeTheProfileThatTheyAreFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		srtp    bool
		profile string
	}{
		{"srtp_only", true, sealedProfile}, {"no_srtp", false, clearProfile},
		{"pcma_only", true, sealedProfile}, {"echo", false, clearProfile},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller, callee := pair(t)
			made, taken := callsUntilHeard(t, caller, callee, origination{To: behaviourNamed(c.name).Number, SRTP: c.srtp})
			if made.FinalStatus != 200 || taken.RTP.Profile != c.profile || made.RTP.Profile != c.profile {
				t.Errorf("%d, %+v", made.FinalStatus, taken.RTP)
			}
		})
	}
}

func TestNumbersRefuseTheProfileThatTheyAreNotFor(t *testing.T) {
	for name, srtp := range map[string]bool{"srtp_only": false, "no_srtp": true} {
		t.Run(name, func(t *testing.T) {
			caller, callee := pair(t)
			made, _ := calls(t, caller, callee, origination{To: behaviourNamed(name).Number, SRTP: srtp})
			if made.FinalStatus != 488 || made.EndedBy != byBridge {
				t.Errorf("%d by %s", made.FinalStatus, made.EndedBy)
			}
		})
	}
}

// callsUntilHeard makes a call and hangs it up once both sides have heard something.
func callsUntilHeard(t *testing.T, caller, callee *carrier, o origination) (made, taken Record) {
	t.Helper()
	o.From, o.Behaviour = "+14155559999", "silent"
	r, err := caller.originate(o)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "both sides hear", func() bool {
		caller.refreshCounts()
		callee.refreshCounts()
		there := callee.ledger.list(filter{number: o.To})
		return len(there) == 1 && there[0].RTP.PacketsReceived > 10 && caller.ledger.read(r).RTP.PacketsReceived > 10
	})
	caller.callOf(r.CallID).hangUp()
	until(t, "it is over", func() bool {
		return caller.ledger.read(r).Complete && callee.onlyRecord(t, o.To).Complete
	})
	return caller.ledger.read(r), callee.onlyRecord(t, o.To)
}

func TestAnAnswerInClearToASealedOfferIsNotHeard(t *testing.T) {
	caller, callee := pair(t)
	r, err := caller.originate(origination{
		To: behaviourNamed("answers_in_clear").Number, From: "+14155559999", Behaviour: "silent", SRTP: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the callee sends", func() bool {
		callee.refreshCounts()
		there := callee.ledger.list(filter{})
		return len(there) == 1 && there[0].RTP.PacketsSent > 20
	})
	caller.refreshCounts()
	if got := caller.ledger.read(r).RTP; got.PacketsReceived != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAPacketInClearIsRefusedOnASealedCall(t *testing.T) {
	s := &stream{sealing: &sealing{own: newSealingKey("1")}}
	raw := append([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, make([]byte, frameSamples)...)
	if s.opened(raw) != nil || s.counts.PacketsRefused != 0 {
		t.Error("before the keys are known nothing is judged, and nothing is heard")
	}
	theirs := newSealingKey("1")
	if err := s.sealing.meet(theirs); err != nil {
		t.Fatal(err)
	}
	if s.opened(raw) != nil || s.counts.PacketsRefused != 1 {
		t.Errorf("%d refused", s.counts.PacketsRefused)
	}
	out, _ := theirs.context()
	packet, _ := out.EncryptRTP(nil, raw, nil)
	if p := s.opened(packet); p == nil || p.SequenceNumber != 1 {
		t.Errorf("%+v", p)
	}
}

func TestABridgeWithACertificateOfAnotherAuthorityIsNotCalled(t *testing.T) {
	t.Parallel()
	ours, foreign := newAuthority(t), newAuthority(t)
	callee := startCarrier(t, speaksTLS("callee", foreign, foreign))
	caller := startCarrier(t, speaksTLS("caller", ours, ours))
	caller.tlsBridge = callee.tls.Addr().String()
	r, err := caller.originate(origination{To: behaviourNamed("silent").Number, From: "+14155559999", Transport: "tls"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the call is over", func() bool { return caller.ledger.read(r).Complete })
	if got := caller.ledger.read(r); len(got.Messages) != 0 || got.EndedBy != byCarrier || len(callee.ledger.list(filter{})) != 0 {
		t.Errorf("%s: %s", got.EndedBy, ladder(got))
	}
}

func TestARenewedCertificateIsShownToTheNextConnection(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	x := startCarrier(t, speaksTLS("carrier", a, a))
	before, err := x.certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.issue("carrier")
	if after, err := x.certificate(nil); err != nil || string(after.Certificate[0]) == string(before.Certificate[0]) {
		t.Errorf("the same certificate: %v", err)
	}
}

func TestOriginatingSaysWhatItLacks(t *testing.T) {
	x := startCarrier(t)
	for want, o := range map[error]origination{
		errNoTLS: {Transport: "tls"}, errTransport: {Transport: "carrier pigeon"}, errNoBridge: {Transport: "udp"},
	} {
		o.To, o.From = "+1", "+2"
		if _, err := x.originate(o); err != want {
			t.Errorf("%v, not %v", err, want)
		}
	}
}

func TestOnlyAKeyInOurSuiteIsTaken(t *testing.T) {
	own := newSealingKey("7")
	if got := readSealingKey(own.attribute()); got == nil || got.tag != "7" || string(got.material) != string(own.material) {
		t.Errorf("%+v", got)
	}
	inline := strings.Fields(own.attribute())[2]
	for value, taken := range map[string]bool{
		"1 " + suite + " " + inline + "|2^20":        true,
		"1 " + suite + " " + inline + "|2^20|1:4":    false, // a master key identifier
		"1 " + suite + " " + inline + " KDR=1":       false,
		"1 AES_CM_128_HMAC_SHA1_32 " + inline:        false,
		"1 " + suite + " inline:c2hvcnQ=":            false,
		"1 " + suite + " uri:" + inline:              false,
		"1 " + suite:                                 false,
		"":                                           false,
		"1 " + suite + " inline:not base64 at all!!": false,
	} {
		if got := readSealingKey(value); (got != nil) != taken {
			t.Errorf("%q: %v", value, got)
		}
	}
}
