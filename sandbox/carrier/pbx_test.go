package main

import (
	"strings"
	"testing"
	"time"
)

// startPBX starts a far end that has no time to lose.
func startPBX(t *testing.T, name, bridge string) *carrier {
	t.Helper()
	p, err := profileNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	p.refreshes, p.qualifies = 50*time.Millisecond, 20*time.Millisecond
	return startCarrier(t, func(o *options) { o.profile, o.bridge = p, bridge })
}

func TestAnUnknownProfileIsRefused(t *testing.T) {
	if _, err := profileNamed("panasonic"); err == nil {
		t.Error("it was taken")
	}
}

func TestAsteriskChallengesWith401TakesTheAudioElsewhereAndRefreshes(t *testing.T) {
	p := startPeer(t)
	x := startPBX(t, "asterisk", p.address)
	number := behaviourNamed("silent").Number
	c := p.call(x, number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	answer := c.session.InviteResponse
	if server := answer.GetHeader("Server"); server == nil || !strings.HasPrefix(server.Value(), "Asterisk") {
		t.Error("the answer does not say whose it is")
	}
	if !strings.Contains(string(answer.Body()), "s=Asterisk\r\n") || answer.GetHeader("Session-Expires") == nil {
		t.Errorf("not an answer of Asterisk's: %s", answer)
	}
	until(t, "the session is offered anew, and anew", func() bool {
		return strings.Count(ladder(x.onlyRecord(t, number)), "tx INVITE, rx 200") == 2
	})
	if want := "rx INVITE, tx 401, rx ACK, rx INVITE, tx 100, tx 180, tx 200"; !strings.HasPrefix(ladder(x.onlyRecord(t, number)), want) {
		t.Error(ladder(x.onlyRecord(t, number)))
	}
	until(t, "OPTIONS are answered", func() bool { return x.asked.read()["answered"] > 1 })
	if err := c.hangUp(); err != nil {
		t.Error(err)
	}
}

func TestTheFirstNonceOfFreeSWITCHHasRunOutWhenItIsUsed(t *testing.T) {
	x, p := startPBX(t, "freeswitch", ""), startPeer(t)
	number := behaviourNamed("silent").Number
	c := p.call(x, number)
	if want := "rx INVITE, tx 407, rx ACK, rx INVITE, tx 407"; !strings.HasPrefix(ladder(x.onlyRecord(t, number)), want) {
		t.Error(ladder(x.onlyRecord(t, number)))
	}
	if c.err == nil {
		return // a client that takes the second nonce, too
	}
	if asked := c.session.InviteResponse.GetHeader("Proxy-Authenticate"); asked == nil || !strings.Contains(asked.Value(), "stale=true") {
		t.Errorf("the second challenge does not say that the nonce ran out: %v", asked)
	}
}
