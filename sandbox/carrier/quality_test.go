package main

import (
	"testing"
	"time"
)

var dawn = time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)

func frame(n int) time.Time { return dawn.Add(time.Duration(n) * frameTime) }

func TestLossIsCountedAcrossTheWrapOfSequenceNumbers(t *testing.T) {
	var q quality
	for i, seq := range []uint16{65533, 65534, 0, 1, 4} { // 65535, 2 and 3 are missing
		q.arrived(7, seq, frame(i))
	}
	if n := q.missing(); n != 3 {
		t.Errorf("lost %d", n)
	}
}

func TestReorderedAndRestartedSourcesLoseNothing(t *testing.T) {
	var q quality
	for i, seq := range []uint16{10, 12, 11, 13} {
		q.arrived(7, seq, frame(i))
	}
	q.arrived(8, 500, frame(4))
	if n := q.missing(); n != 0 {
		t.Errorf("lost %d", n)
	}
}

func TestTheLongestGapIsBetweenTwoArrivals(t *testing.T) {
	var q quality
	var m Media
	for _, n := range []int{0, 1, 6, 7} {
		q.arrived(7, uint16(n), frame(n))
	}
	if q.fill(&m); m.LongestGapMS != 100 {
		t.Errorf("longest gap %v ms", m.LongestGapMS)
	}
}

func TestSilenceInsideASpeechIsADropoutAndAPauseBetweenSpeechesIsNone(t *testing.T) {
	var q quality
	for n := range 150 {
		hole := n >= 20 && n < 25
		pause := n >= 50 && n < 110
		q.heard(!hole && !pause, frame(n))
	}
	var m Media
	if q.fill(&m); m.Dropouts != 5 || m.PacketsAudible != 85 {
		t.Errorf("dropouts %d of %d", m.Dropouts, m.PacketsAudible)
	}
}

func TestAReplyIsTheFirstNewSoundAfterOurWords(t *testing.T) {
	var q quality
	for n := range 200 {
		if n >= 50 && n < 100 {
			q.spoke(frame(n + 1))
		}
		q.heard(n < 30 || n >= 140, frame(n))
	}
	if len(q.replies) != 1 {
		t.Fatalf("replies %v", q.replies)
	}
	r := q.replies[0]
	if got := r.HeardAt.Sub(r.SpokeUntil.Time); got != 40*frameTime {
		t.Errorf("replied after %v", got)
	}
}

func TestSoundInTheMiddleOfOurWordsIsNoReply(t *testing.T) {
	var q quality
	for n := range 100 {
		if n >= 20 && n < 60 && n%10 > 1 {
			q.spoke(frame(n + 1))
		}
		q.heard(n >= 41, frame(n))
	}
	if len(q.replies) != 0 {
		t.Errorf("replies %v", q.replies)
	}
}
