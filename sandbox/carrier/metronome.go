package main

import (
	"sync"
	"time"
)

// metronome gives every call its 20 ms beat from one goroutine, so that fifty calls
// cost fifty wake-ups a second and not two and a half thousand. Beats are laid on a
// monotonic schedule: a late beat does not delay the ones after it.
type metronome struct {
	mu      sync.Mutex
	members map[beater]struct{}
	running bool
}

type beater interface{ beat(at time.Time) }

// catchUp is how late a beat may be before the schedule is laid anew.
const catchUp = 200 * time.Millisecond

func newMetronome() *metronome { return &metronome{members: map[beater]struct{}{}} }

func (m *metronome) join(b beater) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members[b] = struct{}{}
	if !m.running {
		m.running = true
		go m.run()
	}
}

func (m *metronome) leave(b beater) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.members, b)
}

// run beats until nobody is left.
func (m *metronome) run() {
	next := time.Now()
	for {
		next = next.Add(frameTime)
		wait := time.Until(next)
		if wait < -catchUp {
			next = time.Now()
		}
		time.Sleep(wait)
		members := m.snapshot()
		if members == nil {
			return
		}
		for _, b := range members {
			b.beat(time.Now())
		}
	}
}

func (m *metronome) snapshot() []beater {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.members) == 0 {
		m.running = false
		return nil
	}
	list := make([]beater, 0, len(m.members))
	for b := range m.members {
		list = append(list, b)
	}
	return list
}
