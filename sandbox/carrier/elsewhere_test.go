package main

import (
	"testing"

	"github.com/pion/rtp"
)

func TestAudioIsAskedForAtAnAddressWhereNobodyListens(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("media_elsewhere")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	if !c.remote.IP.Equal(nobodysHome) {
		t.Errorf("the audio is asked for at %v", c.remote)
	}
	if got := c.hear(patience, func(got []rtp.Packet) bool { return len(got) > 2 }); len(got) < 3 {
		t.Error("nothing came from the number")
	}
	c.send(0, 1, frameSamples, make([]byte, frameSamples))
	_ = c.hangUp()
	until(t, "the call is over", func() bool { return x.onlyRecord(t, b.Number).Complete })
	if got := x.onlyRecord(t, b.Number).RTP.PacketsReceived; got != 0 {
		t.Errorf("%d packets arrived", got)
	}
}

func TestOtherNumbersAskForAudioWhereTheyListen(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	c := p.call(x, behaviourNamed("silent").Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	if !c.remote.IP.Equal(x.ip) {
		t.Errorf("the audio is asked for at %v", c.remote)
	}
	_ = c.hangUp()
}
