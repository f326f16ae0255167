package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// SRTP with the keys in the session description (RFC 3711, RFC 4568), in the one suite that every
// SIP phone has.

const (
	suite         = "AES_CM_128_HMAC_SHA1_80"
	suiteProfile  = srtp.ProtectionProfileAes128CmHmacSha1_80
	keyLength     = 16
	saltLength    = 14
	clearProfile  = "RTP/AVP"
	sealedProfile = "RTP/SAVP"
	offeredTag    = "1"
)

// mediaRule says which of the two profiles a phone takes.
type mediaRule int

const (
	asOffered    mediaRule = iota
	sealedOnly             // RTP/SAVP, else 488
	clearOnly              // RTP/AVP, else 488
	answersClear           // answers RTP/SAVP with RTP/AVP, which no standard allows
)

func (r mediaRule) takes(profile string) bool {
	switch profile {
	case clearProfile:
		return r != sealedOnly
	case sealedProfile:
		return r != clearOnly
	}
	return false
}

// sealingKey is the master key and salt of one direction, as a crypto attribute carries it.
type sealingKey struct {
	tag      string
	material []byte
}

func newSealingKey(tag string) *sealingKey {
	material := make([]byte, keyLength+saltLength)
	_, _ = rand.Read(material) // never fails: crypto/rand
	return &sealingKey{tag, material}
}

// readSealingKey reads the value of a crypto attribute; nil where it asks for what we do not have:
// another suite, a master key identifier, session parameters.
func readSealingKey(value string) *sealingKey {
	words := strings.Fields(value)
	if len(words) != 3 || words[1] != suite {
		return nil
	}
	inline, found := strings.CutPrefix(words[2], "inline:")
	encoded, more, _ := strings.Cut(inline, "|")
	material, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || len(material) != keyLength+saltLength || strings.Contains(more, ":") {
		return nil
	}
	return &sealingKey{words[0], material}
}

func (k *sealingKey) attribute() string {
	return fmt.Sprintf("%s %s inline:%s", k.tag, suite, base64.StdEncoding.EncodeToString(k.material))
}

func (k *sealingKey) context() (*srtp.Context, error) {
	return srtp.CreateContext(k.material[:keyLength], k.material[keyLength:], suiteProfile)
}

// sealing is what a sealed call holds: our key for its whole life, the peer's as last told.
type sealing struct {
	own, peer *sealingKey
	out, in   *srtp.Context
}

// meet takes the peer's key. A key that is told again keeps its context, which counts packets.
func (s *sealing) meet(peer *sealingKey) (err error) {
	if s.out == nil {
		if s.out, err = s.own.context(); err != nil {
			return err
		}
	}
	if s.peer == nil || !bytes.Equal(s.peer.material, peer.material) {
		s.peer = peer
		s.in, err = peer.context()
	}
	return err
}

// opened reads a packet. On a sealed call only what the peer's key sealed is one.
func (s *stream) opened(raw []byte) *rtp.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealing != nil {
		if s.sealing.in == nil {
			return nil // the keys are still on their way
		}
		plain, err := s.sealing.in.DecryptRTP(nil, raw, nil)
		if err != nil {
			s.counts.PacketsRefused++
			return nil
		}
		raw = plain
	}
	var p rtp.Packet
	if p.Unmarshal(raw) != nil || p.Version != 2 {
		return nil
	}
	return &p
}
