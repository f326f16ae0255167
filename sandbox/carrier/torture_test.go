package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The messages of RFC 4475 come with the SIP library's own tests.
func tortureMessages(t *testing.T) [][]byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	root := filepath.Join(strings.TrimSpace(string(dir)), "sip", "testdata", "torture")
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		message, err := os.ReadFile(path)
		messages = append(messages, message)
		return err
	})
	if err != nil || len(messages) < 40 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	return messages
}

func TestTortureMessagesOverUDPAndTCPLeaveTheCarrierAlive(t *testing.T) {
	x, p := startCarrier(t), startPeer(t)
	messages := append(tortureMessages(t),
		[]byte("INVITE sip:+14155550101@h SIP/2.0\r\n\r\n"), []byte("\x00\xff\r\n\r\n"),
		[]byte("INVITE sip:+14155550101@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\nCSeq: 1 INVITE\r\n\r\n"),
		[]byte("INVITE sip:+14155550101@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKr\r\nCSeq: 1 INVITE\r\nCall-ID: q\r\n\r\n"),
		[]byte("BYE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKs\r\nCSeq: 1 BYE\r\n\r\n"))
	for _, network := range []string{"udp", "tcp"} {
		for _, message := range messages {
			conn, err := net.Dial(network, x.address())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write(message)
			_ = conn.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
			_, _ = conn.Read(make([]byte, 1500))
			_ = conn.Close()
		}
	}
	if c := p.call(x, behaviourNamed("busy").Number); c.status() != 486 {
		t.Errorf("afterwards: %v", c.err)
	}
}
