package main

import (
	"errors"
	"path/filepath"
	"time"
)

// tape records both sides of an answered call, each into a file of its own, so that a
// position in either file is the time since the answer.
type tape struct {
	answered  time.Time
	heardFile *wavFile
	saidFile  *wavFile
	saidNext  int
	source    uint32
	baseTS    uint32
	basePos   int
	anchored  bool
}

// drift is how far the sender's clock may part from ours before we go by the arrival time again.
const drift = 200 * time.Millisecond

func (t *tape) start(dir, id string, answered time.Time) (heard, said string, err error) {
	heard, said = filepath.Join(dir, id+"-heard.wav"), filepath.Join(dir, id+"-said.wav")
	var err1, err2 error
	t.heardFile, err1 = createWAV(heard)
	t.saidFile, err2 = createWAV(said)
	t.answered, t.saidNext = answered, -1
	return heard, said, errors.Join(err1, err2)
}

func (t *tape) position(at time.Time) int { return samplesIn(at.Sub(t.answered)) }

// heard places a received frame. Within a run of packets the RTP timestamps say where,
// free of jitter; at a new source, or when they part from the clock, arrival says it.
func (t *tape) heard(pcm []int16, ssrc, timestamp uint32, at time.Time) {
	if t.heardFile == nil {
		return
	}
	arrival := t.position(at)
	position := t.basePos + int(int32(timestamp-t.baseTS))
	off := durationOf(arrival - position)
	if !t.anchored || ssrc != t.source || off > drift || off < -drift {
		t.anchored, t.source, t.baseTS, t.basePos = true, ssrc, timestamp, arrival
		position = arrival
	}
	_ = t.heardFile.put(position, pcm) // a full disk must not end the call
}

func (t *tape) said(pcm []int16, at time.Time) {
	if t.saidFile == nil {
		return
	}
	arrival := t.position(at)
	if off := durationOf(arrival - t.saidNext); t.saidNext < 0 || off > drift || off < -drift {
		t.saidNext = max(arrival, 0)
	}
	_ = t.saidFile.put(t.saidNext, pcm)
	t.saidNext += len(pcm)
}

func (t *tape) close(at time.Time) {
	for _, f := range []*wavFile{t.heardFile, t.saidFile} {
		if f != nil {
			_ = f.close(t.position(at))
		}
	}
	t.heardFile, t.saidFile = nil, nil
}
