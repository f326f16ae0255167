package main

import (
	"sync"
	"time"
)

// pace admits so many calls in any second, as a carrier that counts calls per second does.
type pace struct {
	perSecond int

	mu       sync.Mutex
	admitted []time.Time
}

// admits says whether a call at this moment is within the limit, and counts it if so.
func (p *pace) admits(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.admitted) > 0 && at.Sub(p.admitted[0]) >= time.Second {
		p.admitted = p.admitted[1:]
	}
	if len(p.admitted) >= p.perSecond {
		return false
	}
	p.admitted = append(p.admitted, at)
	return true
}
