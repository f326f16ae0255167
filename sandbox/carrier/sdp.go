package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"
)

// offer is the part of a session description that a narrowband phone understands.
type offer struct {
	remote   *net.UDPAddr
	codecs   []codec     // those of ours that were offered, in the order offered
	dtmfType uint8       // payload type of telephone-event/8000, 0 when not offered
	key      *sealingKey // the peer's, nil in clear
}

var (
	errNoCommonCodec  = errors.New("no common codec")
	errNoCommonCrypto = errors.New("no common SRTP suite")
)

// readSDP parses a description and keeps the codecs that the carrier also allows.
func readSDP(body []byte, allowed []codec, rule mediaRule) (offer, error) {
	var description sdp.SessionDescription
	if err := description.Unmarshal(body); err != nil {
		return offer{}, fmt.Errorf("session description: %w", err)
	}
	for _, media := range description.MediaDescriptions {
		profile := strings.Join(media.MediaName.Protos, "/")
		if media.MediaName.Media != "audio" || !rule.takes(profile) {
			continue
		}
		o, err := readAudio(&description, media, allowed)
		if profile == sealedProfile && rule != answersClear && err == nil {
			o.key, err = keyOf(media)
		}
		return o, err
	}
	return offer{}, errNoCommonCodec
}

func keyOf(media *sdp.MediaDescription) (*sealingKey, error) {
	for _, a := range media.Attributes {
		if a.Key == "crypto" {
			if key := readSealingKey(a.Value); key != nil {
				return key, nil
			}
		}
	}
	return nil, errNoCommonCrypto
}

func readAudio(d *sdp.SessionDescription, media *sdp.MediaDescription, allowed []codec) (offer, error) {
	o := offer{remote: &net.UDPAddr{IP: connectionIP(d, media), Port: media.MediaName.Port.Value}}
	for _, format := range media.MediaName.Formats {
		payloadType, err := strconv.Atoi(format)
		if err != nil || payloadType > 127 {
			continue
		}
		name := encodingName(media, format)
		if name == "telephone-event/8000" {
			o.dtmfType = uint8(payloadType)
		}
		for _, c := range allowed {
			if int(c.payloadType) == payloadType {
				o.codecs = append(o.codecs, c)
			}
		}
	}
	if len(o.codecs) == 0 {
		return o, errNoCommonCodec
	}
	return o, nil
}

func connectionIP(d *sdp.SessionDescription, media *sdp.MediaDescription) net.IP {
	connection := d.ConnectionInformation
	if media.ConnectionInformation != nil {
		connection = media.ConnectionInformation
	}
	if connection == nil || connection.Address == nil {
		return nil
	}
	return net.ParseIP(connection.Address.Address)
}

func encodingName(media *sdp.MediaDescription, format string) string {
	for _, a := range media.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		if number, name, _ := strings.Cut(a.Value, " "); number == format {
			return strings.ToLower(strings.TrimSuffix(name, "/1"))
		}
	}
	return ""
}

// description is one of our own session descriptions.
type description struct {
	local     *net.UDPAddr
	codecs    []codec
	dtmfType  uint8
	direction string // sendrecv, sendonly, inactive
	version   int
	key       *sealingKey // ours, nil in clear

	origin, session, more string // of a profile; empty: the carrier's own
}

func (d description) bytes() []byte {
	formats, maps := "", ""
	for _, c := range d.codecs {
		formats += fmt.Sprintf(" %d", c.payloadType)
		maps += fmt.Sprintf("a=rtpmap:%d %s/8000\r\n", c.payloadType, c.name)
	}
	if d.dtmfType != 0 {
		formats += fmt.Sprintf(" %d", d.dtmfType)
		maps += fmt.Sprintf("a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", d.dtmfType, d.dtmfType)
	}
	profile := clearProfile
	if d.key != nil {
		profile = sealedProfile
		maps += fmt.Sprintf("a=crypto:%s\r\n", d.key.attribute())
	}
	ip := d.local.IP.String()
	return fmt.Appendf(nil,
		"v=0\r\no=%s %d %d IN IP4 %s\r\ns=%s\r\nc=IN IP4 %s\r\nt=0 0\r\n"+
			"m=audio %d %s%s\r\n%sa=ptime:%d\r\n%sa=%s\r\n",
		cmp.Or(d.origin, "carrier"), d.local.Port, 1+d.version, ip, cmp.Or(d.session, "call"), ip,
		d.local.Port, profile, formats, maps, frameTime/time.Millisecond, d.more, d.direction)
}
