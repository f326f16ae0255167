package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// profile is how the far end does what every far end does: as the carrier itself (the zero value),
// or as a PBX in its usual settings.
type profile struct {
	name       string
	agent      string        // what it calls itself, in Server and User-Agent
	realm      string        // of its challenges
	challenge  challenge     // what it answers a call without credentials with
	staleFirst bool          // its first nonce has run out when it is used
	early      bool          // it rings with 183 and a session description, and sends audio
	expires    string        // Session-Expires of its offers and answers
	supported  string        // Supported of its offers
	origin     string        // whose session descriptions these are
	session    string        // what they are called
	more       string        // lines that its descriptions have besides
	directs    time.Duration // after the answer it takes the audio elsewhere by re-INVITE; 0: it does not
	refreshes  time.Duration // after that it refreshes the session; 0: it does not
	qualifies  time.Duration // how often it asks the bridge with OPTIONS whether it is there; 0: never
}

// A session's refresh comes after half of its 1800 s. Nobody waits for that here.
const refreshSoon = 2 * time.Second

var profiles = []profile{
	{},
	{
		name: "asterisk", agent: "Asterisk PBX 20.11.0", realm: "asterisk", challenge: challengeUser,
		expires: "1800;refresher=uas", supported: "100rel, timer, replaces, norefersub",
		origin: "-", session: "Asterisk", more: "a=maxptime:140\r\n",
		directs: 300 * time.Millisecond, refreshes: refreshSoon, qualifies: time.Second,
	},
	{
		name: "freeswitch", agent: "FreeSWITCH-mod_sofia/1.10.12-release", realm: "pbx.example.com",
		challenge: challengeProxy, staleFirst: true, early: true,
		expires: "1800;refresher=uas", supported: "timer, path, replaces",
		origin: "FreeSWITCH", session: "FreeSWITCH",
		refreshes: refreshSoon, qualifies: time.Second,
	},
}

func profileNamed(name string) (profile, error) {
	at := slices.IndexFunc(profiles, func(p profile) bool { return p.name == name })
	if at < 0 {
		return profile{}, fmt.Errorf("-profile wants asterisk or freeswitch, not %q", name)
	}
	return profiles[at], nil
}

// asks is the challenge of a number: its own, or the profile's where it has none.
func (p profile) asks(usual challenge) challenge {
	if p.name != "" && usual == challengeProxy {
		return p.challenge
	}
	return usual
}

// stamp says whose message it is.
func (p profile) stamp(message interface{ AppendHeader(sip.Header) }, header string) {
	if p.agent != "" {
		message.AppendHeader(sip.NewHeader(header, p.agent))
	}
}

// dress puts on an answer what the profile's answers have.
func (p profile) dress(res *sip.Response) {
	p.stamp(res, "Server")
	if p.expires != "" && res.StatusCode == 200 {
		res.AppendHeader(sip.NewHeader("Session-Expires", p.expires))
		res.AppendHeader(sip.NewHeader("Supported", p.supported))
	}
}

// offers puts on a call to the bridge what the profile's calls have.
func (p profile) offers(req *sip.Request) {
	p.stamp(req, "User-Agent")
	if p.expires != "" {
		req.AppendHeader(sip.NewHeader("Session-Expires", "1800"))
		req.AppendHeader(sip.NewHeader("Min-SE", "90"))
		req.AppendHeader(sip.NewHeader("Supported", p.supported))
	}
}

// describe makes a session description the profile's.
func (p profile) describe(d *description) {
	if p.origin != "" {
		d.origin, d.session, d.more = p.origin, p.session, p.more
	}
}

// settle does on an answered call what the profile does there, beside whoever talks.
func (p profile) settle(c *call) {
	if p.directs > 0 && !(c.pause(p.directs) && c.movePort()) {
		return
	}
	if p.refreshes > 0 && c.pause(p.refreshes) {
		c.refresh()
	}
}

// qualification is what the bridge said to our OPTIONS.
type qualification struct {
	mu       sync.Mutex
	Asked    int `json:"asked"`
	Answered int `json:"answered"`
	Status   int `json:"status"` // of the newest answer
}

func (q *qualification) note(res *sip.Response) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Asked++
	if res != nil {
		q.Answered, q.Status = q.Answered+1, res.StatusCode
	}
}

func (q *qualification) read() map[string]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return map[string]int{"asked": q.Asked, "answered": q.Answered, "status": q.Status}
}

// qualify asks the bridge again and again whether it is there.
func (x *carrier) qualify(ctx context.Context) {
	host, port, err := hostPort(x.bridge)
	if x.profile.qualifies == 0 || err != nil {
		return
	}
	for ctx.Err() == nil {
		req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: host, Port: port})
		x.profile.stamp(req, "User-Agent")
		asking, done := context.WithTimeout(ctx, 3*time.Second)
		res, _ := x.dialogs["UDP"].Client.Do(asking, req)
		done()
		x.asked.note(res)
		select {
		case <-ctx.Done():
		case <-time.After(x.profile.qualifies):
		}
	}
}
