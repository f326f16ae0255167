package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Behaviour is what happens when a number is called.
type Behaviour struct {
	Number      string `json:"number"`
	Name        string `json:"name"`
	Description string `json:"description"`

	Challenge     challenge
	Signal        func(c *call) // up to the final response
	Person        func(c *call) // on the answered call; returning hangs up; nil: never answers
	Lines         []line        // what will be said, so that it can be synthesised early
	Codecs        []codec       // nil: both
	Media         mediaRule
	NoRTP         bool
	AnswersCancel bool
	Deaf          []string // requests that get no reply of any kind; "*" for all

	MediaElsewhere bool // asks for audio where nobody listens
}

// line is one sentence in one voice.
type line struct{ voice, text string }

const (
	voiceCallee   = "echo"
	voiceMailbox  = "nova"
	mailboxText   = "Hi, you have reached Alice. I cannot take your call right now. Please leave a message after the tone."
	earlyText     = "Please hold the line while we connect your call."
	menuText      = "Please press one to confirm, or two to cancel."
	menuConfirmed = "Thank you, your appointment is confirmed. Goodbye."
	menuCanceled  = "Your appointment is cancelled. Goodbye."
	ringForever   = 10 * time.Minute
)

var behaviours = []*Behaviour{
	talking("0100", "talks", "answers, holds a conversation of four turns, says goodbye and presses #", pickUp, "talks"),
	answering("0101", "silent", "answers and stays silent until hung up", stay),
	refusing("0102", "busy", 486, "Busy Here"),
	{
		Number: number("0103"), Name: "no_answer", Description: "rings until CANCEL",
		Signal: func(c *call) { c.trying(); c.ring(ringForever) },
	},
	{
		Number: number("0104"), Name: "declined", Description: "rings, then 603 Decline",
		Signal: func(c *call) {
			c.trying()
			if c.ring(c.x.ring) {
				c.reject(603, "Decline")
			}
		},
	},
	refusing("0105", "not_found", 404, "Not Found"),
	refusing("0106", "unavailable", 480, "Temporarily Unavailable"),
	refusing("0107", "incomplete", 484, "Address Incomplete"),
	refusing("0108", "service_unavailable", 503, "Service Unavailable"),
	refusing("0109", "server_error", 500, "Server Internal Error"),
	{
		Number: number("0110"), Name: "voicemail", Description: "greeting, 1000 Hz beep, records the message",
		Signal: pickUp, Person: takeMessage, Lines: []line{{voiceMailbox, mailboxText}},
	},
	early(),
	answering("0112", "hangs_up", "answers, hangs up after 1 s", func(c *call) { c.pause(time.Second) }),
	answering("0113", "sends_dtmf", "answers, sends DTMF 1 2 3 # (RFC 4733) after 1 s, then listens", func(c *call) {
		if c.pause(time.Second) && c.press("123#") {
			stay(c)
		}
	}),
	{
		Number: number("0114"), Name: "no_rtp", Description: "answers, never sends RTP, never hangs up",
		Signal: pickUp, Person: stay, NoRTP: true,
	},
	talking("0115", "late_answer", "answers after 8 s of ringing, then talks briefly", func(c *call) {
		c.trying()
		if c.ring(8 * time.Second) {
			c.answer()
		}
	}, "brief_talk"),
	{
		Number: number("0116"), Name: "glare", Description: "its 200 crosses the CANCEL", AnswersCancel: true,
		Signal: func(c *call) {
			c.trying()
			c.respond(180, "Ringing")
			select {
			case <-c.cancelSeen:
				c.answer()
			case <-c.ctx.Done():
			}
		},
		Person: stay,
	},
	{
		Number: number("0117"), Name: "trying_only", Description: "100 Trying and nothing more",
		Signal: func(c *call) { c.trying(); c.pause(ringForever) },
	},
	{
		Number: number("0118"), Name: "mute", Description: "no SIP reply at all",
		Signal: func(*call) {}, Deaf: []string{"*"},
	},
	refusing("0119", "forbidden", 403, "Forbidden"),
	{
		Number: number("0120"), Name: "moved", Description: "302 to another number",
		Signal: func(c *call) {
			c.trying()
			c.reject(302, "Moved Temporarily", &sip.ContactHeader{Address: c.x.addressFor(number("0100"))})
		},
	},
	refusing("0121", "not_acceptable", 488, "Not Acceptable Here"),
	{
		Number: number("0122"), Name: "auth_loop", Description: "407 again and again",
		Challenge: challengeForever, Signal: func(c *call) { c.reject(403, "Forbidden") },
	},
	answering("0123", "rtp_stops", "answers, its RTP stops after 3 s, never hangs up", func(c *call) {
		if c.pause(3 * time.Second) {
			c.stream.setSending(false)
			stay(c)
		}
	}),
	refusing("0124", "busy_everywhere", 600, "Busy Everywhere"),
	refusing("0125", "does_not_exist", 604, "Does Not Exist Anywhere"),
	refusing("0126", "request_timeout", 408, "Request Timeout"),
	refusing("0127", "gateway_timeout", 504, "Server Time-out"),
	refusing("0128", "bad_gateway", 502, "Bad Gateway"),
	pcmaOnly(),
	answering("0130", "echo", "answers, plays back what it hears", func(c *call) {
		c.stream.setEcho(true)
		stay(c)
	}),
	{
		Number: number("0131"), Name: "challenge_401", Challenge: challengeUser, Signal: pickUp,
		Description: "challenges with 401 and not 407, then answers and hangs up after 1 s",
		Person:      func(c *call) { c.pause(time.Second) },
	},
	answering("0132", "hold", "answers, holds by re-INVITE after 2 s, resumes after 2 s more", func(c *call) {
		if c.pause(2*time.Second) && c.reinvite("sendonly") && c.pause(2*time.Second) && c.reinvite("sendrecv") {
			stay(c)
		}
	}),
	talking("0133", "long_talk", "talks until hung up", pickUp, "long_talk"),
	talking("0134", "speaks_first", "speaks at once on answering", pickUp, "speaks_first"),
	{
		Number: number("0135"), Name: "lost_bye", Description: "answers, never replies to BYE",
		Signal: pickUp, Person: stay, Deaf: []string{"BYE"},
	},
	refusing("0136", "unsupported_media", 415, "Unsupported Media Type"),
	refusing("0137", "not_acceptable_anywhere", 606, "Not Acceptable"),
	afterwards("0138", "refreshes", "answers, refreshes its session by re-INVITE after 1 s, asks with UPDATE after 1 s more, then talks",
		func(c *call) bool { return c.refresh() && c.pause(time.Second) && c.update() }),
	afterwards("0139", "moves_port", "answers, takes its RTP to another port by re-INVITE after 1 s, then talks",
		func(c *call) bool { return c.movePort() }),
	refusing("0140", "carrier_block", 603, "Decline", sip.NewHeader("X-Twilio-Error", "32203 Blocked by the carrier")),
	refusing("0141", "cps_exceeded", 503, "CPS limit exceeded", sip.NewHeader("Retry-After", "1")),
	talking("0142", "barge_in", "answers, interrupts the agent after 1 s of speech", pickUp, "barge_in"),
	answering("0143", "early_bye", "answers, hangs up after 300 ms with a Q.850 reason", func(c *call) {
		c.byeHeaders = []sip.Header{sip.NewHeader("Reason", `Q.850;cause=16;text="Normal call clearing"`)}
		c.pause(300 * time.Millisecond)
	}),
	{
		Number: number("0144"), Name: "menu", Description: "a voice menu: waits for DTMF 1 or 2, confirms, hangs up",
		Signal: pickUp, Person: menu,
		Lines: []line{{voiceMailbox, menuText}, {voiceMailbox, menuConfirmed}, {voiceMailbox, menuCanceled}},
	},
	refusing("0145", "precondition", 412, "Conditional Request Failed"),
	{
		Number: number("0146"), Name: "media_elsewhere", MediaElsewhere: true,
		Description: "answers, asks for audio at an address where nobody listens, plays back what it hears",
		Signal:      pickUp,
		Person: func(c *call) {
			c.stream.setEcho(true)
			stay(c)
		},
	},
	talking("0150", "rings_then_talks", "rings 2 s, answers, says short lines until hung up", func(c *call) {
		c.trying()
		if c.ring(2 * time.Second) {
			c.answer()
		}
	}, "short_lines"),
	talking("0151", "talks_at_once", "answers without ringing, says short lines until hung up", func(c *call) {
		c.trying()
		c.answer()
	}, "short_lines"),
	{
		Number: number("0152"), Name: "paced", Person: func(c *call) { c.pause(time.Second) },
		Description: "answers one call in two seconds and hangs up after 1 s; 503 CPS limit exceeded to the others",
		Signal: func(c *call) {
			if c.x.paced.admits(time.Now()) {
				pickUp(c)
				return
			}
			c.trying()
			if c.pause(networkDelay) {
				c.reject(503, "CPS limit exceeded", sip.NewHeader("Retry-After", "1"))
			}
		},
	},
	keepingUp("0153", "session_timer",
		"answers, says short lines until hung up, refreshes its session by re-INVITE every quarter of an hour and hangs up where that fails"),
	withMedia(sealedOnly, talking("0160", "srtp_only", "takes RTP/SAVP only (else 488), then talks briefly", pickUp, "brief_talk")),
	withMedia(clearOnly, talking("0161", "no_srtp", "takes RTP/AVP only (else 488), then talks briefly", pickUp, "brief_talk")),
	withMedia(answersClear, talking("0162", "answers_in_clear",
		"answers RTP/SAVP with RTP/AVP, as no carrier may, then talks briefly", pickUp, "brief_talk")),
	talking("0199", "slow_talk", "talks like 0100, but rings longer and takes its time", func(c *call) {
		c.trying()
		if c.ring(4 * c.x.ring) {
			c.answer()
		}
	}, "slow_talk"),
}

var unknownNumber = refusing("", "unknown", 404, "Not Found")

func number(last4 string) string { return "+1415555" + last4 }

func answering(last4, name, description string, person func(c *call)) *Behaviour {
	return &Behaviour{Number: number(last4), Name: name, Description: description, Signal: pickUp, Person: person}
}

func talking(last4, name, description string, signal func(c *call), scriptName string) *Behaviour {
	s := scripts[scriptName]
	b := &Behaviour{
		Number: number(last4), Name: name, Description: description,
		Signal: signal, Person: converse(scriptName),
	}
	for _, text := range s.Lines {
		b.Lines = append(b.Lines, line{s.Voice, text})
	}
	return b
}

// afterwards talks on once something was done to the session that is up.
func afterwards(last4, name, description string, done func(c *call) bool) *Behaviour {
	b := talking(last4, name, description, pickUp, "short_lines")
	talk := b.Person
	b.Person = func(c *call) {
		if c.pause(time.Second) && done(c) {
			talk(c)
		}
	}
	return b
}

// keepingUp talks, and refreshes the session meanwhile as its refresher does (RFC 4028).
func keepingUp(last4, name, description string) *Behaviour {
	b := talking(last4, name, description, pickUp, "short_lines")
	talk := b.Person
	b.Person = func(c *call) {
		go c.refreshEvery(c.x.refresh)
		talk(c)
	}
	return b
}

func refusing(last4, name string, status int, reason string, headers ...sip.Header) *Behaviour {
	return &Behaviour{
		Number: number(last4), Name: name, Description: fmt.Sprintf("%d %s", status, reason),
		Signal: func(c *call) {
			c.trying()
			// As far away as a carrier is: no final response comes in the instant of the first.
			if c.pause(networkDelay) {
				c.reject(status, reason, headers...)
			}
		},
	}
}

func withMedia(rule mediaRule, b *Behaviour) *Behaviour {
	b.Media = rule
	return b
}

func early() *Behaviour {
	b := talking("0111", "early_media", "183 with an announcement, then answers and talks briefly", func(c *call) {
		c.trying()
		if c.earlyMedia() && c.say(voiceCallee, earlyText) {
			c.answer()
		}
	}, "brief_talk")
	b.Lines = append([]line{{voiceCallee, earlyText}}, b.Lines...)
	return b
}

func pcmaOnly() *Behaviour {
	b := talking("0129", "pcma_only", "takes PCMA only, talks briefly", pickUp, "brief_talk")
	b.Codecs = []codec{pcma}
	return b
}

// pickUp rings for a moment, then answers.
func pickUp(c *call) {
	c.trying()
	if c.ring(c.x.ring) {
		c.answer()
	}
}

func stay(c *call) { c.untilHungUp(longestCall) }

const (
	messageLongest = 60 * time.Second
	messageSilence = 30 * time.Second
)

// takeMessage is a mailbox: it hangs up after 30 s of silence, or 60 s in all.
func takeMessage(c *call) {
	if !c.say(voiceMailbox, mailboxText) || !c.playTone(1000, 500*time.Millisecond) {
		return
	}
	beep := time.Now()
	c.until(func(at time.Time) bool {
		_, quiet := c.ears(beep, at)
		return min(quiet, at.Sub(beep)) > messageSilence || at.Sub(beep) > messageLongest
	})
}

const (
	menuPatience = 15 * time.Second
	networkDelay = 30 * time.Millisecond
)

func menu(c *call) {
	if !c.say(voiceMailbox, menuText) {
		return
	}
	asked := time.Now()
	pressed := c.until(func(at time.Time) bool { return c.digits() != "" || at.Sub(asked) > menuPatience })
	switch {
	case !pressed:
	case c.digits() == "1":
		c.say(voiceMailbox, menuConfirmed)
	case c.digits() == "2":
		c.say(voiceMailbox, menuCanceled)
	}
}

func behaviourOf(dialled string) *Behaviour {
	for _, b := range behaviours {
		if bareNumber(b.Number) == bareNumber(dialled) {
			return b
		}
	}
	return unknownNumber
}

func behaviourNamed(name string) *Behaviour {
	for _, b := range behaviours {
		if b.Name == name {
			return b
		}
	}
	return nil
}

func (b *Behaviour) deafTo(method string) bool {
	return slices.Contains(b.Deaf, "*") || slices.Contains(b.Deaf, method)
}

func (b *Behaviour) codecs() []codec {
	if b.Codecs != nil {
		return b.Codecs
	}
	return []codec{pcmu, pcma}
}

// prepare has the call's sentences made while it still rings.
func (b *Behaviour) prepare(c *call) {
	if len(b.Lines) > 0 {
		go func() {
			for _, l := range b.Lines {
				c.x.voices.line(c.ctx, l.voice, l.text)
			}
		}()
	}
}
