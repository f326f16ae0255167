package main

import (
	"testing"
	"time"
)

func TestOneCallInTwoSecondsAndNoSecond(t *testing.T) {
	p, at := &pace{every: 2 * time.Second}, time.Now()
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {100 * time.Millisecond, false}, {1999 * time.Millisecond, false},
		{2 * time.Second, true}, {3900 * time.Millisecond, false}, {4 * time.Second, true},
	} {
		if got := p.admits(at.Add(c.after)); got != c.want {
			t.Errorf("call %d after %v: %v", i, c.after, got)
		}
	}
}

func TestACallAboveThePaceIsRefusedWithWordsAboutIt(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	b := behaviourNamed("paced")
	// Again, should two seconds pass before the call comes.
	until(t, "a refusal", func() bool {
		x.paced.admits(time.Now())
		c := p.call(x, b.Number)
		_ = c.hangUp()
		return c.status() == 503
	})
}
