package main

import (
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
	codecs   []codec // those of ours that were offered, in the order offered
	dtmfType uint8   // payload type of telephone-event/8000, 0 when not offered
}

var errNoCommonCodec = errors.New("no common codec")

// readSDP parses a description and keeps the codecs that the carrier also allows.
func readSDP(body []byte, allowed []codec) (offer, error) {
	var description sdp.SessionDescription
	if err := description.Unmarshal(body); err != nil {
		return offer{}, fmt.Errorf("session description: %w", err)
	}
	for _, media := range description.MediaDescriptions {
		if media.MediaName.Media == "audio" && strings.Join(media.MediaName.Protos, "/") == "RTP/AVP" {
			return readAudio(&description, media, allowed)
		}
	}
	return offer{}, errNoCommonCodec
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
	ip := d.local.IP.String()
	return fmt.Appendf(nil,
		"v=0\r\no=carrier %d %d IN IP4 %s\r\ns=call\r\nc=IN IP4 %s\r\nt=0 0\r\n"+
			"m=audio %d RTP/AVP%s\r\n%sa=ptime:%d\r\na=%s\r\n",
		d.local.Port, 1+d.version, ip, ip, d.local.Port, formats, maps,
		frameTime/time.Millisecond, d.direction)
}
