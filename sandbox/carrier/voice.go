package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// What made a clip, as the ledger names it.
const (
	voiceSpeech = "speech"
	voiceEspeak = "espeak"
	voiceTone   = "tone"
)

const (
	synthesisPatience = 3 * time.Second  // that a call gives to a sentence not made yet
	synthesisTimeout  = 60 * time.Second // of one request, on a machine that is starting up
	synthesisRetry    = 2 * time.Second
	speechRate        = 24000 // of raw PCM (OpenAI's response_format "pcm")
)

// voiceBox turns sentences into clips: by the speech server, once, and kept on disk;
// without one by espeak-ng; without that by a tone.
type voiceBox struct {
	url   string // OpenAI-compatible base, may be empty
	cache string // folder, may be empty

	mu    sync.Mutex
	clips map[line]*pendingClip

	spareMu sync.Mutex
	spare   map[line]clip // espeak's, used until the speech server has answered
}

// pendingClip is a clip being made; done closes when it has been, well or not.
type pendingClip struct {
	done chan struct{}
	clip clip
	err  error
}

func newVoiceBox(url, cache string) *voiceBox {
	return &voiceBox{
		url: strings.TrimRight(url, "/"), cache: cache,
		clips: map[line]*pendingClip{}, spare: map[line]clip{},
	}
}

// line returns the clip of a sentence within the time that a call can wait.
func (v *voiceBox) line(ctx context.Context, voice, text string) clip {
	l := line{voice, text}
	if v.url != "" {
		p := v.request(l)
		patience := time.NewTimer(synthesisPatience)
		defer patience.Stop()
		select {
		case <-p.done:
			if p.err == nil {
				return p.clip
			}
		case <-patience.C:
		case <-ctx.Done():
			return clip{text: text, voice: voiceTone}
		}
	}
	return v.fallback(l)
}

// request starts to make a clip, unless it is made or under way. A failure is forgotten, so that the next asks again.
func (v *voiceBox) request(l line) *pendingClip {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.clips[l]; p != nil {
		return p
	}
	p := &pendingClip{done: make(chan struct{})}
	v.clips[l] = p
	go func() {
		defer close(p.done)
		if p.clip, p.err = v.make(l); p.err != nil {
			v.mu.Lock()
			delete(v.clips, l)
			v.mu.Unlock()
		}
	}()
	return p
}

func (v *voiceBox) make(l line) (clip, error) {
	if kept, err := os.ReadFile(v.path(l)); err == nil {
		if pcm, rate, err := parseWAV(kept); err == nil && rate == sampleRate {
			return clip{pcm, l.text, voiceSpeech}, nil
		}
	}
	pcm, err := v.synthesise(l)
	if err != nil {
		return clip{}, err
	}
	v.keep(l, pcm)
	return clip{pcm, l.text, voiceSpeech}, nil
}

func (v *voiceBox) path(l line) string {
	hash := sha256.Sum256([]byte("1\n" + l.voice + "\n" + l.text)) // 1: how it was processed
	return filepath.Join(v.cache, hex.EncodeToString(hash[:16])+".wav")
}

// keep writes a clip so that a reader sees all of it or nothing. A full disk costs the cache, not the call.
func (v *voiceBox) keep(l line, pcm []int16) {
	if v.cache == "" {
		return
	}
	f, err := os.CreateTemp(v.cache, "clip-*")
	if err != nil {
		return
	}
	_, err = f.Write(append(wavHeader(len(pcm)), bytesOf(pcm)...))
	if closed := f.Close(); err != nil || closed != nil || os.Rename(f.Name(), v.path(l)) != nil {
		_ = os.Remove(f.Name())
	}
}

func (v *voiceBox) synthesise(l line) ([]int16, error) {
	body, err := json.Marshal(map[string]string{
		"model": "tts-1", "voice": l.voice, "input": l.text, "response_format": "wav",
	})
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: synthesisTimeout}
	res, err := client.Post(v.url+"/audio/speech", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	audio, err := io.ReadAll(io.LimitReader(res.Body, 32<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("speech server: %s", res.Status)
	}
	return telephoneBand(audio)
}

// telephoneBand brings a WAV, or raw 24 kHz PCM, to 8 kHz and a common loudness.
func telephoneBand(audio []byte) ([]int16, error) {
	if !bytes.HasPrefix(audio, []byte("RIFF")) {
		return normalise(resample(samplesOf(audio), speechRate)), nil
	}
	pcm, rate, err := parseWAV(audio)
	if err != nil {
		return nil, err
	}
	return normalise(resample(pcm, rate)), nil
}

// fallback makes a clip without the speech server; many calls may want the same one at once.
func (v *voiceBox) fallback(l line) clip {
	v.spareMu.Lock()
	defer v.spareMu.Unlock()
	if _, made := v.spare[l]; !made {
		v.spare[l] = espeak(l)
	}
	return v.spare[l]
}

func espeak(l line) clip {
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	cmd := exec.CommandContext(ctx, "espeak-ng", "-v", "en-us", "-s", "150", "--stdin", "--stdout")
	cmd.Stdin = strings.NewReader(l.text)
	audio, err := cmd.Output()
	if err == nil {
		if pcm, err := telephoneBand(audio); err == nil && len(pcm) > 0 {
			return clip{pcm, l.text, voiceEspeak}
		}
	}
	return clip{tone(440, 2*time.Second), l.text, voiceTone}
}

// warm makes every sentence of the table in the background, one at a time, and
// goes on asking until the speech server is there.
func (v *voiceBox) warm(ctx context.Context, lines []line) {
	if v.url == "" {
		return
	}
	for _, l := range lines {
		for ctx.Err() == nil {
			p := v.request(l)
			<-p.done
			if p.err == nil {
				break
			}
			select {
			case <-time.After(synthesisRetry):
			case <-ctx.Done():
			}
		}
	}
}

// ready counts the sentences that the speech server has made.
func (v *voiceBox) ready(lines []line) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, l := range lines {
		if p := v.clips[l]; p != nil {
			select {
			case <-p.done:
				n++
			default:
			}
		}
	}
	return n
}

// allLines lists every sentence of the table once.
func allLines() []line {
	var lines []line
	seen := map[line]bool{}
	for _, b := range behaviours {
		for _, l := range b.Lines {
			if !seen[l] {
				seen[l] = true
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// printLines writes each sentence and whose voice says it, so that all can be made before a call.
func printLines(to io.Writer) error {
	type spoken struct {
		Voice string `json:"voice"`
		Text  string `json:"text"`
	}
	var all []spoken
	for _, l := range allLines() {
		all = append(all, spoken{l.voice, l.text})
	}
	return json.NewEncoder(to).Encode(all)
}
