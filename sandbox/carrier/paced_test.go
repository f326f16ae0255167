package main

import (
	"testing"
	"time"
)

func TestTwoCallsASecondAndNoThird(t *testing.T) {
	p, at := &pace{perSecond: 2}, time.Now()
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {100 * time.Millisecond, true}, {200 * time.Millisecond, false},
		{999 * time.Millisecond, false}, {time.Second, true}, {1050 * time.Millisecond, false},
		{1100 * time.Millisecond, true},
	} {
		if got := p.admits(at.Add(c.after)); got != c.want {
			t.Errorf("call %d after %v: %v", i, c.after, got)
		}
	}
}

func TestACallAboveThePaceIsRefusedWithWordsAboutIt(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("paced")
	// Again, should a second pass before the call comes.
	until(t, "a refusal", func() bool {
		x.paced.admits(time.Now())
		x.paced.admits(time.Now())
		c := p.call(x, b.Number)
		_ = c.hangUp()
		return c.status() == 503
	})
}
