package main

import (
	"math"
	"testing"
	"time"
)

func sine(frequency float64, rate, samples int) []int16 {
	pcm := make([]int16, samples)
	for i := range pcm {
		pcm[i] = int16(10000 * math.Sin(2*math.Pi*frequency*float64(i)/float64(rate)))
	}
	return pcm
}

func TestG711RoundTripStaysWithinItsStep(t *testing.T) {
	for _, c := range []codec{pcmu, pcma} {
		for v := -32000; v <= 32000; v += 37 {
			got := int(c.decoded[c.encode(int16(v))])
			if tolerance := max(20, abs(v)/16); abs(got-v) > tolerance {
				t.Fatalf("%s: %d came back as %d", c.name, v, got)
			}
		}
	}
}

func TestG711CodesAreFixedPoints(t *testing.T) {
	for _, c := range []codec{pcmu, pcma} {
		for b := range 256 {
			value := c.decoded[b]
			if again := c.decoded[c.encode(value)]; again != value {
				t.Fatalf("%s: code %#x means %d, re-encoded it means %d", c.name, b, value, again)
			}
		}
	}
}

func TestG711SilenceHasTheStandardCodes(t *testing.T) {
	if got := ulawEncode(0); got != 0xff {
		t.Errorf("PCMU silence is %#x", got)
	}
	if got := alawEncode(0); got != 0xd5 {
		t.Errorf("PCMA silence is %#x", got)
	}
}

func TestResamplingKeepsSpeechAndDropsWhatTheTelephoneCannotCarry(t *testing.T) {
	for _, rate := range []int{16000, 22050, 24000, 48000} {
		kept := resample(sine(1000, rate, rate), rate)
		if len(kept) < 7900 || len(kept) > 8000 {
			t.Errorf("%d Hz: one second became %d samples", rate, len(kept))
		}
		middle := kept[1000:7000]
		if loss := level(sine(1000, rate, rate)) - level(middle); math.Abs(loss) > 0.3 {
			t.Errorf("%d Hz: a 1 kHz tone lost %.2f dB", rate, loss)
		}
		alias := resample(sine(5500, rate, rate), rate)[1000:7000]
		if level(alias) > -60 {
			t.Errorf("%d Hz: a 5.5 kHz tone came through at %.1f dBFS", rate, level(alias))
		}
	}
}

func TestNormalisingBringsSpeechToOneLevelWithoutClipping(t *testing.T) {
	quiet := make([]int16, 8000)
	for i, s := range sine(300, sampleRate, 8000) {
		quiet[i] = s / 50
	}
	if got := level(normalise(quiet)); math.Abs(got+20) > 0.5 {
		t.Errorf("level is %.1f dBFS", got)
	}
	if silent := normalise(make([]int16, 800)); level(silent) > -100 {
		t.Error("silence was amplified")
	}
}

func TestAToneHasItsLengthAndLevel(t *testing.T) {
	beep := tone(1000, 500*time.Millisecond)
	if len(beep) != 4000 {
		t.Errorf("500 ms are %d samples", len(beep))
	}
	if got := level(beep); got < -16 || got > -14 {
		t.Errorf("level is %.1f dBFS", got)
	}
}

func TestAnEarTakesSpeechForATurnAndAClickForNothing(t *testing.T) {
	start := time.Now()
	var e ear
	e.hear(-10, start)
	if e.spokeSince(start.Add(-time.Second)) {
		t.Fatal("one loud frame counted as speech")
	}
	at := start.Add(time.Second)
	for range 50 {
		e.hear(-20, at)
		at = at.Add(frameTime)
	}
	for range 40 {
		e.hear(-70, at)
		at = at.Add(frameTime)
	}
	if !e.spokeSince(start) {
		t.Error("a second of speech was not heard")
	}
	if quiet := e.quietFor(at); quiet < 700*time.Millisecond || quiet > 900*time.Millisecond {
		t.Errorf("quiet for %v after 800 ms of silence", quiet)
	}
}

func TestDTMFPacketsOfOneKeyPressAreOneDigit(t *testing.T) {
	var d dtmfListener
	digits := ""
	for press, key := range []byte("12#") {
		for step := range 5 {
			packet := dtmfPayload(key, (step+1)*frameSamples, step == 4)
			if digit, fresh := d.receive(packet, uint32(1000*press), time.Now()); fresh {
				digits += digit.Digit
			}
		}
	}
	if digits != "12#" {
		t.Errorf("heard %q", digits)
	}
}

func TestDTMFIgnoresTonesThatAreNotKeys(t *testing.T) {
	var d dtmfListener
	for _, payload := range [][]byte{{16, 0, 0, 160}, {1, 2}, {}} {
		if _, fresh := d.receive(payload, 1, time.Now()); fresh {
			t.Errorf("%v was taken for a key", payload)
		}
	}
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}
