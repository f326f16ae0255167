package main

import (
	"encoding/binary"
	"errors"
	"os"
)

const wavHeaderSize = 44

// wavFile writes 8 kHz PCM16 at given positions. Gaps stay silent, since a hole in
// a file reads as zeroes; the header is brought up to date twice a second, so that
// a killed process leaves a file that plays.
type wavFile struct {
	file    *os.File
	samples int // length so far
	written int // samples that the header on disk admits to
}

func createWAV(path string) (*wavFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &wavFile{file: f}
	return w, w.writeHeader()
}

// put writes samples so that the first of them lies at the given position.
func (w *wavFile) put(position int, pcm []int16) error {
	if position < 0 {
		return nil
	}
	if _, err := w.file.WriteAt(bytesOf(pcm), int64(wavHeaderSize+2*position)); err != nil {
		return err
	}
	w.samples = max(w.samples, position+len(pcm))
	if w.samples-w.written >= sampleRate/2 {
		return w.writeHeader()
	}
	return nil
}

// close pads the file with silence to the given length and closes it.
func (w *wavFile) close(samples int) error {
	w.samples = max(w.samples, samples)
	err := w.file.Truncate(int64(wavHeaderSize + 2*w.samples))
	return errors.Join(err, w.writeHeader(), w.file.Close())
}

func (w *wavFile) writeHeader() error {
	w.written = w.samples
	_, err := w.file.WriteAt(wavHeader(w.samples), 0)
	return err
}

func wavHeader(samples int) []byte {
	le := binary.LittleEndian
	h := append(make([]byte, 0, wavHeaderSize), "RIFF"...)
	h = le.AppendUint32(h, uint32(wavHeaderSize-8+2*samples))
	h = append(h, "WAVEfmt "...)
	h = le.AppendUint32(h, 16)
	h = le.AppendUint16(h, 1) // PCM
	h = le.AppendUint16(h, 1) // mono
	h = le.AppendUint32(h, sampleRate)
	h = le.AppendUint32(h, 2*sampleRate)
	h = le.AppendUint16(h, 2)
	h = le.AppendUint16(h, 16)
	h = append(h, "data"...)
	return le.AppendUint32(h, uint32(2*samples))
}

func bytesOf(pcm []int16) []byte {
	b := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func samplesOf(b []byte) []int16 {
	pcm := make([]int16, len(b)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return pcm
}

var errNotWAV = errors.New("not a PCM16 mono WAV")

// parseWAV reads PCM16 mono and its rate. Streaming writers put a wrong size into the
// data chunk (0 or all ones); then everything that follows is audio.
func parseWAV(b []byte) (pcm []int16, rate int, err error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, 0, errNotWAV
	}
	for b = b[12:]; len(b) >= 8; {
		name, size := string(b[:4]), int(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if name == "data" {
			if size == 0 || size > len(b) {
				size = len(b)
			}
			if rate == 0 {
				return nil, 0, errNotWAV
			}
			return samplesOf(b[:size]), rate, nil
		}
		if size > len(b) {
			break
		}
		if name == "fmt " {
			if rate = pcm16MonoRate(b[:size]); rate == 0 {
				break
			}
		}
		b = b[size+size%2:]
		if len(b) == 0 {
			break
		}
	}
	return nil, 0, errNotWAV
}

func pcm16MonoRate(format []byte) int {
	le := binary.LittleEndian
	if len(format) < 16 || le.Uint16(format[2:]) != 1 || le.Uint16(format[14:]) != 16 {
		return 0
	}
	return int(le.Uint32(format[4:]))
}
