package main

// G.711 by table for decoding and by search of the segment for encoding (ITU-T G.711).

var ulawDecoded, alawDecoded = ulawTable(), alawTable()

func ulawTable() (table [256]int16) {
	for i := range table {
		u := ^byte(i)
		magnitude := ((int(u&0x0f)<<3 + 0x84) << (u >> 4 & 7)) - 0x84
		if u&0x80 != 0 {
			magnitude = -magnitude
		}
		table[i] = int16(magnitude)
	}
	return table
}

func alawTable() (table [256]int16) {
	for i := range table {
		a := byte(i) ^ 0x55
		magnitude := int(a&0x0f)<<4 + 8
		if segment := a >> 4 & 7; segment > 0 {
			magnitude = (magnitude + 0x100) << (segment - 1)
		}
		if a&0x80 == 0 {
			magnitude = -magnitude
		}
		table[i] = int16(magnitude)
	}
	return table
}

func ulawEncode(sample int16) byte {
	const bias, ceiling = 0x84, 32635
	value, sign := int(sample), byte(0)
	if value < 0 {
		value, sign = -value, 0x80
	}
	value = min(value, ceiling) + bias
	segment := segmentOf(value >> 7)
	return ^(sign | byte(segment<<4) | byte(value>>(segment+3)&0x0f))
}

func alawEncode(sample int16) byte {
	value, sign := int(sample), byte(0x80)
	if value < 0 {
		value, sign = -value-1, 0
	}
	segment := segmentOf(value >> 8)
	if value >= 256 {
		segment++
	}
	shift := max(segment-1, 0) + 4
	return (sign | byte(segment<<4) | byte(value>>shift&0x0f)) ^ 0x55
}

// segmentOf returns the position of the highest set bit, 0 for 0 and 1.
func segmentOf(v int) int {
	segment := 0
	for v > 1 {
		v >>= 1
		segment++
	}
	return segment
}

// codec is one of the two audio formats that every trunk carries.
type codec struct {
	name        string
	payloadType uint8
	encode      func(int16) byte
	decoded     *[256]int16
}

var (
	pcmu = codec{"PCMU", 0, ulawEncode, &ulawDecoded}
	pcma = codec{"PCMA", 8, alawEncode, &alawDecoded}
)

func (c codec) pack(dst []byte, pcm []int16) {
	for i, s := range pcm {
		dst[i] = c.encode(s)
	}
}

func (c codec) unpack(payload []byte) []int16 {
	pcm := make([]int16, len(payload))
	for i, b := range payload {
		pcm[i] = c.decoded[b]
	}
	return pcm
}
