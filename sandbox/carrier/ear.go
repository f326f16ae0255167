package main

import "time"

// ear decides from frame levels when the other side speaks and when it has finished.
//
// A click is not speech: only four loud frames within 300 ms of each other count.
type ear struct {
	burst    int
	lastLoud time.Time
	spokeAt  time.Time // last frame that belonged to speech
	onsetAt  time.Time // first frame of the latest burst of speech
	burstAt  time.Time
}

const (
	burstGap    = 300 * time.Millisecond
	speechBurst = 4
)

func (e *ear) hear(dbfs float64, at time.Time) {
	if dbfs < audibleDBFS {
		return
	}
	if at.Sub(e.lastLoud) > burstGap {
		e.burst, e.burstAt = 0, at
	}
	e.burst++
	e.lastLoud = at
	if e.burst >= speechBurst {
		e.spokeAt, e.onsetAt = at, e.burstAt
	}
}

// spokeSince tells whether speech was heard after the given moment.
func (e *ear) spokeSince(t time.Time) bool { return e.spokeAt.After(t) }

// quietFor returns how long nothing loud has been heard.
func (e *ear) quietFor(at time.Time) time.Duration { return at.Sub(e.lastLoud) }
