package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// shortVoices gives every sentence of the table a 300 ms tone, so that a conversation is quick.
func shortVoices() *voiceBox {
	v := newVoiceBox("", "")
	for _, l := range allLines() {
		v.spare[l] = clip{tone(400, 300*time.Millisecond), l.text, voiceTone}
	}
	return v
}

// agent plays the other side: it speaks, then answers each time that the callee has finished.
type agent struct {
	*dialled
	seq uint16
	ts  uint32
}

func (a *agent) speak(d time.Duration) {
	voice := make([]byte, frameSamples)
	pcmu.pack(voice, sine(300, sampleRate, frameSamples))
	ticker := time.NewTicker(frameTime)
	defer ticker.Stop()
	for range int(d / frameTime) {
		<-ticker.C
		a.send(0, a.seq, a.ts, voice)
		a.seq++
		a.ts += frameSamples
	}
}

// hearLine waits until the callee has spoken and stopped for 200 ms.
func (a *agent) hearLine() bool {
	var e ear
	start := time.Now()
	heard := false
	a.hear(patience, func(got []rtp.Packet) bool {
		if n := len(got); n > 0 {
			e.hear(level(pcmu.unpack(got[n-1].Payload)), time.Now())
		}
		heard = e.spokeSince(start) && e.quietFor(time.Now()) > 200*time.Millisecond
		return heard
	})
	return heard
}

func TestACalleeTalksInTurnsAndLetsTheAgentHangUp(t *testing.T) {
	x, p := startCarrierWith(t, shortVoices()), startPeer(t)
	b := behaviourNamed("talks")
	a := agent{dialled: p.call(x, b.Number)}
	if a.err != nil {
		t.Fatal(a.err)
	}
	for turn := range scripts["talks"].Lines {
		a.speak(300 * time.Millisecond)
		if !a.hearLine() {
			t.Fatalf("line %d was not spoken", turn+1)
		}
	}
	a.speak(300 * time.Millisecond)
	_ = a.hangUp()
	until(t, "the end", func() bool { return x.onlyRecord(t, b.Number).Complete })
	r := x.onlyRecord(t, b.Number)
	if r.EndedBy != byBridge || len(r.Said) != len(scripts["talks"].Lines) {
		t.Fatalf("by %s, %d lines", r.EndedBy, len(r.Said))
	}
	for i, s := range r.Said {
		if s.Text != scripts["talks"].Lines[i] || !s.EndedAt.After(s.StartedAt.Time) {
			t.Errorf("line %d: %+v", i, s)
		}
	}
	checkTapes(t, r)
}

// checkTapes compares the recordings with the ledger's times.
func checkTapes(t *testing.T, r Record) {
	t.Helper()
	length := durationOf(len(readWAV(t, r.HeardWAV)))
	if talked := r.EndedAt.Sub(r.AnsweredAt.Time); (talked - length).Abs() > 200*time.Millisecond {
		t.Errorf("a call of %v left a tape of %v", talked, length)
	}
	said := readWAV(t, r.SaidWAV)
	for _, s := range r.Said {
		middle := s.StartedAt.Add(s.EndedAt.Sub(s.StartedAt.Time) / 2)
		at := samplesIn(middle.Sub(r.AnsweredAt.Time))
		if level(said[at:at+frameSamples]) < audibleDBFS {
			t.Errorf("no voice on the tape at %v", middle.Sub(r.AnsweredAt.Time))
		}
	}
}

func TestWhoeverSpeaksFirstDoesNotWait(t *testing.T) {
	x, p := startCarrierWith(t, shortVoices()), startPeer(t)
	a := agent{dialled: p.call(x, behaviourNamed("speaks_first").Number)}
	if a.err != nil || !a.hearLine() {
		t.Error("nothing was said after the answer")
	}
	_ = a.hangUp()
}

func TestVoicemailGreetsBeepsAndListens(t *testing.T) {
	x, p := startCarrierWith(t, shortVoices()), startPeer(t)
	b := behaviourNamed("voicemail")
	a := agent{dialled: p.call(x, b.Number)}
	if a.err != nil {
		t.Fatal(a.err)
	}
	until(t, "greeting and beep", func() bool { return len(x.onlyRecord(t, b.Number).Said) == 2 })
	a.speak(200 * time.Millisecond)
	_ = a.hangUp()
	until(t, "the end", func() bool { return x.onlyRecord(t, b.Number).Complete })
	r := x.onlyRecord(t, b.Number)
	if beep := r.Said[1]; beep.Text != "" || beep.Voice != voiceTone {
		t.Errorf("%+v", beep)
	}
	if r.RTP.FirstAudibleAt.Before(r.Said[1].EndedAt.Time) {
		t.Error("the message was heard before the beep")
	}
}

func TestEarlyMediaIsHeardBeforeTheAnswer(t *testing.T) {
	x, p := startCarrierWith(t, shortVoices()), startPeer(t)
	b := behaviourNamed("early_media")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	r := x.onlyRecord(t, b.Number)
	if !strings.Contains(ladder(r), "tx 183, tx 200") || len(r.Said) != 1 || r.Said[0].StartedAt.After(r.AnsweredAt.Time) {
		t.Errorf("%s, said %v", ladder(r), r.Said)
	}
	_ = c.hangUp()
}

func TestAMenuTakesAKey(t *testing.T) {
	x, p := startCarrierWith(t, shortVoices()), startPeer(t)
	b := behaviourNamed("menu")
	c := p.call(x, b.Number)
	if c.err != nil {
		t.Fatal(c.err)
	}
	c.send(101, 1, 1000, dtmfPayload('1', 800, true))
	until(t, "the confirmation and BYE", func() bool { return p.byeCount() == 1 })
	if said := x.onlyRecord(t, b.Number).Said; said[len(said)-1].Text != menuConfirmed {
		t.Errorf("%+v", said)
	}
}

// ask sends one request to the control API and decodes its answer.
func ask(t *testing.T, x *carrier, method, path, body string, into any) int {
	t.Helper()
	w := httptest.NewRecorder()
	x.control().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return w.Code
}

func TestTheControlAPIShowsWhatHappened(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	p.call(x, behaviourNamed("busy").Number)
	var list struct{ Calls []map[string]any }
	if code := ask(t, x, "GET", "/calls?number=%2B14155550102", "", &list); code != http.StatusOK || len(list.Calls) != 1 {
		t.Fatalf("%d, %d calls", code, len(list.Calls))
	}
	record := list.Calls[0]
	for _, key := range []string{"id", "call_id", "direction", "number", "from", "behaviour", "state", "started_at",
		"ringing_at", "answered_at", "ended_at", "ended_by", "invites", "retransmissions", "messages", "dtmf", "rtp",
		"said", "heard_wav", "said_wav", "final_status"} {
		if _, there := record[key]; !there {
			t.Errorf("a record lacks %s", key)
		}
	}
	if record["answered_at"] != nil {
		t.Error("a busy call has an answer time")
	}
	var one map[string]any
	if code := ask(t, x, "GET", "/calls/"+record["id"].(string), "", &one); code != http.StatusOK || one["call_id"] != record["call_id"] {
		t.Error("the record is not found by its id")
	}
}

func TestTheControlAPIRefusesWhatItCannotDo(t *testing.T) {
	x := startCarrier(t)
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"GET", "/healthz", "", 200},
		{"GET", "/behaviours", "", 200},
		{"GET", "/calls?since=yesterday", "", 400},
		{"GET", "/calls/nobody", "", 404},
		{"POST", "/calls/nobody/hangup", "", 404},
		{"POST", "/originate", "not json", 400},
		{"POST", "/originate", `{"to":"+1","from":"+2","colour":"red"}`, 400},
		{"POST", "/originate", `{"to":"+1","from":"+2"}`, 422}, // no -bridge
		{"DELETE", "/calls", "", 204},
		{"PUT", "/calls", "", 405},
	} {
		if code := ask(t, x, c.method, c.path, c.body, nil); code != c.code {
			t.Errorf("%s %s: %d, not %d", c.method, c.path, code, c.code)
		}
	}
}
