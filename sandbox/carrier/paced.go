package main

import (
	"sync"
	"time"
)

// pace admits one call in any such time, as a carrier that counts calls per second does, but so
// slow that even a busy machine's calls come too fast for it.
type pace struct {
	every time.Duration

	mu       sync.Mutex
	admitted time.Time
}

// admits says whether a call at this moment is within the limit, and counts it if so.
func (p *pace) admits(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Sub(p.admitted) < p.every {
		return false
	}
	p.admitted = at
	return true
}
