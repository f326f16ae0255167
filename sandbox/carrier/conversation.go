package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"
)

// script is what a callee says, line by line; the last line is the goodbye.
type script struct {
	Voice       string   `json:"voice"`
	ThinkingMS  int      `json:"thinking_ms"`
	QuietMS     int      `json:"quiet_ms"`
	SpeaksFirst bool     `json:"speaks_first"`
	Interrupts  bool     `json:"interrupts"`
	Loop        bool     `json:"loop"`
	Lines       []string `json:"lines"`
	LastKeys    string   `json:"last_keys"` // pressed after the last line
}

//go:embed scripts.json
var scriptsJSON []byte

var scripts = readScripts()

func readScripts() map[string]script {
	var all map[string]script
	if err := json.Unmarshal(scriptsJSON, &all); err != nil {
		panic(fmt.Sprintf("scripts.json: %v", err)) // built into the binary: a bug, not an input
	}
	return all
}

const (
	turnPatience  = 15 * time.Second // for a reply to begin
	turnLongest   = 40 * time.Second
	goodbyeWait   = 20 * time.Second // of silence before the callee hangs up itself: agents on a busy machine take theirs
	goodbyeMost   = 40 * time.Second
	interruptWait = time.Second // into the other side's speech
)

// converse returns the person who speaks the named script.
func converse(name string) func(c *call) {
	s := scripts[name]
	return func(c *call) {
		heardSince := time.Now()
		for turn := 0; s.Loop || turn < len(s.Lines); turn++ {
			if !c.waitTurn(s, turn, heardSince) {
				return
			}
			if !c.say(s.Voice, s.Lines[turn%len(s.Lines)]) {
				return
			}
			heardSince = time.Now()
		}
		if c.press(s.LastKeys) {
			c.waitGoodbye()
		}
	}
}

// waitTurn listens until the script says that it is the callee's turn.
func (c *call) waitTurn(s script, turn int, since time.Time) bool {
	switch {
	case turn == 0 && s.SpeaksFirst:
		return true
	case turn == 0 && s.Interrupts:
		return c.interrupt(since)
	}
	l := listening{turnPatience, time.Duration(s.QuietMS) * time.Millisecond, turnLongest}
	return c.hearTurn(since, l) && c.pause(time.Duration(s.ThinkingMS)*time.Millisecond)
}

// interrupt waits until the other side is in the middle of speaking.
func (c *call) interrupt(since time.Time) bool {
	return c.until(func(at time.Time) bool {
		c.stream.mu.Lock()
		defer c.stream.mu.Unlock()
		e := &c.stream.ear
		speaking := e.spokeSince(since) && at.Sub(e.onsetAt) > interruptWait
		return speaking || at.Sub(since) > turnPatience
	})
}

// waitGoodbye lets the other side hang up; a callee who hears nothing more does it itself.
func (c *call) waitGoodbye() {
	said := time.Now()
	c.until(func(at time.Time) bool {
		_, quiet := c.ears(said, at)
		return min(quiet, at.Sub(said)) > goodbyeWait || at.Sub(said) > goodbyeMost
	})
}
