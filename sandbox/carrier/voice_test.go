package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"
)

// speechServer answers with a second of tone at 24 kHz once it is up.
func speechServer(t *testing.T, up *atomic.Bool, asked *atomic.Int32) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if r.URL.Path != "/v1/audio/speech" || json.NewDecoder(r.Body).Decode(&body) != nil || body["input"] == "" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		if !up.Load() {
			http.Error(w, "loading", http.StatusServiceUnavailable)
			return
		}
		asked.Add(1)
		_, _ = w.Write(bytesOf(sine(500, speechRate, speechRate)))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1"
}

func TestASentenceIsSynthesisedOnceAndKeptOnDisk(t *testing.T) {
	var up atomic.Bool
	var asked atomic.Int32
	up.Store(true)
	url, cache := speechServer(t, &up, &asked), t.TempDir()
	for range 3 {
		v := newVoiceBox(url, cache) // a fresh process each time
		c := v.line(context.Background(), voiceCallee, "Hello, this is Alice.")
		if c.voice != voiceSpeech || len(c.pcm) != sampleRate || c.text != "Hello, this is Alice." {
			t.Fatalf("%s, %d samples", c.voice, len(c.pcm))
		}
		v.line(context.Background(), voiceCallee, "Hello, this is Alice.")
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	files, _ := os.ReadDir(cache)
	if len(files) != 1 {
		t.Errorf("%d files in the cache", len(files))
	}
}

func TestVoicesDoNotShareACacheEntry(t *testing.T) {
	v := newVoiceBox("", "dir")
	if v.path(line{"echo", "a"}) == v.path(line{"nova", "a"}) || v.path(line{"echo", "a"}) == v.path(line{"echo", "b"}) {
		t.Error("two sentences share a file")
	}
}

func TestWarmingWaitsForTheSpeechServer(t *testing.T) {
	var up atomic.Bool
	var asked atomic.Int32
	v := newVoiceBox(speechServer(t, &up, &asked), t.TempDir())
	if c := v.line(context.Background(), voiceCallee, "First."); c.voice == voiceSpeech {
		t.Fatal("speech from a server that is down")
	}
	lines := []line{{voiceCallee, "First."}, {voiceCallee, "Second."}}
	done := make(chan struct{})
	go func() { v.warm(context.Background(), lines); close(done) }()
	up.Store(true)
	select {
	case <-done:
	case <-time.After(3 * synthesisRetry):
		t.Fatal("not warm in time")
	}
	if v.ready(lines) != 2 || v.line(context.Background(), voiceCallee, "First.").voice != voiceSpeech {
		t.Error("the server's voice is not used")
	}
}

func TestWithoutASpeechServerEspeakSpeaksAndWithoutThatATone(t *testing.T) {
	v := newVoiceBox("", "")
	c := v.line(context.Background(), voiceCallee, "Hello, this is Alice.")
	want := voiceEspeak
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		want = voiceTone
	}
	if c.voice != want || len(c.pcm) < sampleRate/2 || level(c.pcm) < -30 {
		t.Errorf("%s, %d samples, %.1f dBFS", c.voice, len(c.pcm), level(c.pcm))
	}
	t.Setenv("PATH", "")
	if c := newVoiceBox("", "").line(context.Background(), voiceCallee, "Hello."); c.voice != voiceTone || c.text != "Hello." {
		t.Errorf("without espeak-ng: %s", c.voice)
	}
}

func TestAllThatThePhonesSayIsPrintedWithItsVoice(t *testing.T) {
	var out bytes.Buffer
	if err := printLines(&out); err != nil {
		t.Fatal(err)
	}
	var printed []struct{ Voice, Text string }
	if err := json.Unmarshal(out.Bytes(), &printed); err != nil {
		t.Fatal(err)
	}
	lines := map[line]bool{}
	for _, p := range printed {
		lines[line{p.Voice, p.Text}] = true
	}
	if len(printed) != len(allLines()) || !lines[line{voiceMailbox, mailboxText}] || !lines[line{voiceCallee, scripts["talks"].Lines[0]}] {
		t.Errorf("%d of %d lines: %s", len(printed), len(allLines()), out.String())
	}
}
