package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func readWAV(t *testing.T, path string) []int16 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pcm, rate, err := parseWAV(b)
	if err != nil || rate != sampleRate {
		t.Fatalf("rate %d, error %v", rate, err)
	}
	return pcm
}

func TestAWAVHasSilenceWhereNothingWasHeard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	w, err := createWAV(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.put(8000, []int16{7, 7})
	_ = w.put(4000, []int16{5})
	if err := w.close(16000); err != nil {
		t.Fatal(err)
	}
	pcm := readWAV(t, path)
	if len(pcm) != 16000 || pcm[8000] != 7 || pcm[4000] != 5 || pcm[6000] != 0 {
		t.Errorf("%d samples, [4000]=%d [8000]=%d", len(pcm), pcm[4000], pcm[8000])
	}
}

func TestAWAVThatWasNeverClosedPlaysUpToTheLastHalfSecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	w, err := createWAV(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		_ = w.put(i*frameSamples, make([]int16, frameSamples))
	}
	b, _ := os.ReadFile(path)
	if declared := binary.LittleEndian.Uint32(b[40:]) / 2; declared < 16000-4000 {
		t.Errorf("the header admits to %d of 16000 samples", declared)
	}
}

func TestAStreamedWAVWithoutASizeIsReadToItsEnd(t *testing.T) {
	for _, size := range []uint32{0, 0xffffffff} {
		b := append(wavHeader(0), bytesOf([]int16{1, 2, 3})...)
		binary.LittleEndian.PutUint32(b[40:], size)
		pcm, rate, err := parseWAV(b)
		if err != nil || rate != sampleRate || len(pcm) != 3 {
			t.Errorf("size %#x: %d samples, rate %d, %v", size, len(pcm), rate, err)
		}
	}
}

func TestWhatIsNotAWAVIsRefused(t *testing.T) {
	stereo := wavHeader(0)
	stereo[22] = 2
	for name, b := range map[string][]byte{"empty": {}, "text": []byte("hello, this is not audio"), "stereo": stereo} {
		if _, _, err := parseWAV(b); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func loud() []int16 {
	pcm := make([]int16, frameSamples)
	for i := range pcm {
		pcm[i] = 9000
	}
	return pcm
}

func TestATapeKeepsTimeThroughJitterGapsAndNewSources(t *testing.T) {
	var tp tape
	start := time.Now()
	heard, _, err := tp.start(t.TempDir(), "c", start)
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tp.heard(loud(), 1, 5000, at(100))
	tp.heard(loud(), 1, 5160, at(135))           // 15 ms late: placed by its timestamp
	tp.heard(loud(), 1, 5320+8000, at(1140))     // one second of silence, timestamps go on
	tp.heard(loud(), 2, 77, at(2000))            // another source
	tp.heard(loud(), 2, 77+frameSamples, at(20)) // and a late packet of nonsense time
	tp.close(at(3000))
	pcm := readWAV(t, heard)
	if len(pcm) != 24000 {
		t.Errorf("the tape of a 3 s call has %d samples", len(pcm))
	}
	for _, want := range []struct {
		ms   int
		loud bool
	}{{90, false}, {110, true}, {130, true}, {145, false}, {1130, false}, {1145, true}, {1990, false}, {2010, true}} {
		if got := pcm[want.ms*8] != 0; got != want.loud {
			t.Errorf("at %d ms: sound is %v", want.ms, got)
		}
	}
}
