package main

import (
	"math"
	"time"
)

// Everything inside the carrier is mono PCM16 at the telephone's rate.
const (
	sampleRate   = 8000
	frameTime    = 20 * time.Millisecond
	frameSamples = 160
)

// audibleDBFS is the level above which a frame counts as sound rather than line noise.
const audibleDBFS = -45.0

func samplesIn(d time.Duration) int { return int(d * sampleRate / time.Second) }

func durationOf(samples int) time.Duration {
	return time.Duration(samples) * time.Second / sampleRate
}

// level returns the energy of a frame in dB below full scale.
func level(pcm []int16) float64 {
	if len(pcm) == 0 {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(sum/float64(len(pcm))/(32768*32768)+1e-12)
}

// tone returns a sine at -12 dBFS with soft edges, so that it does not click.
func tone(frequency float64, length time.Duration) []int16 {
	const amplitude, edge = 8231.0, 80
	pcm := make([]int16, samplesIn(length))
	for i := range pcm {
		gain := math.Min(1, math.Min(float64(i), float64(len(pcm)-1-i))/edge)
		pcm[i] = int16(gain * amplitude * math.Sin(2*math.Pi*frequency*float64(i)/sampleRate))
	}
	return pcm
}

// resample converts to 8 kHz with a Blackman-windowed sinc low-pass at 90 % of the lower Nyquist rate.
func resample(in []int16, rate int) []int16 {
	if rate == sampleRate || len(in) == 0 {
		return in
	}
	ratio := float64(rate) / sampleRate
	cutoff := 0.45 * math.Min(1, 1/ratio) // of the input rate
	half := int(math.Ceil(16 * math.Max(1, ratio)))
	out := make([]int16, int(float64(len(in))/ratio))
	for n := range out {
		out[n] = clip16(filterAt(in, float64(n)*ratio, cutoff, half))
	}
	return out
}

func filterAt(in []int16, centre, cutoff float64, half int) float64 {
	middle := int(math.Floor(centre))
	sum, weight := 0.0, 0.0
	for i := middle - half + 1; i <= middle+half; i++ {
		x := float64(i) - centre
		w := 2 * cutoff * sinc(2*cutoff*x) * blackman(x/float64(half))
		weight += w
		if i >= 0 && i < len(in) {
			sum += w * float64(in[i])
		}
	}
	return sum / weight
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// blackman is the window over -1..1.
func blackman(x float64) float64 {
	if x < -1 || x > 1 {
		return 0
	}
	return 0.42 + 0.5*math.Cos(math.Pi*x) + 0.08*math.Cos(2*math.Pi*x)
}

func clip16(v float64) int16 {
	return int16(math.Max(-32768, math.Min(32767, math.Round(v))))
}

// normalise brings speech to about -20 dBFS, peaks held below full scale.
func normalise(pcm []int16) []int16 {
	current := level(pcm)
	if current < -70 {
		return pcm
	}
	gain := math.Pow(10, (-20-current)/20)
	peak := 1.0
	for _, s := range pcm {
		peak = math.Max(peak, math.Abs(float64(s)))
	}
	gain = math.Min(gain, 30000/peak)
	out := make([]int16, len(pcm))
	for i, s := range pcm {
		out[i] = clip16(float64(s) * gain)
	}
	return out
}
