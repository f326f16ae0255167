// Command carrier simulates a SIP termination trunk: what happens to a call is chosen by
// the number that is dialled, and every call is written into a ledger that HTTP serves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
)

func main() {
	if err := run(); err != nil {
		slog.Error("carrier stopped", "error", err)
		os.Exit(1)
	}
}

// settings is the command line.
type settings struct {
	options
	control, speech, cache, rtp string
	profileName                 string
	debug, lines                bool
}

func parseFlags() (settings, error) {
	var s settings
	flag.StringVar(&s.sipAddress, "sip", "127.0.0.1:5070", "SIP address, UDP and TCP")
	flag.StringVar(&s.control, "control", "127.0.0.1:5071", "address of the HTTP control API")
	flag.StringVar(&s.username, "username", "", "digest username; empty: no challenge")
	flag.StringVar(&s.password, "password", "", "digest password")
	flag.StringVar(&s.dir, "dir", "recordings", "folder for recordings")
	flag.StringVar(&s.speech, "speech", "", "OpenAI-compatible base URL for synthesis, such as http://127.0.0.1:5080/v1")
	flag.StringVar(&s.cache, "cache", "", "folder for synthesised sentences")
	flag.StringVar(&s.bridge, "bridge", "", "SIP address that originated calls go to")
	flag.StringVar(&s.rtp, "rtp", "40000-40998", "range of RTP ports")
	flag.DurationVar(&s.ring, "ring", 500*time.Millisecond, "how long numbers ring before they answer")
	flag.DurationVar(&s.away, "away", 30*time.Millisecond, "how long a SIP message is on its way to us")
	flag.DurationVar(&s.refresh, "refresh", 15*time.Minute, "how often a number refreshes the session that it keeps up")
	flag.StringVar(&s.tlsAddress, "tls", "", "SIP address for TLS; empty: none")
	flag.StringVar(&s.tlsCert, "tls-cert", "", "certificate, a PEM file")
	flag.StringVar(&s.tlsKey, "tls-key", "", "its key, a PEM file")
	flag.StringVar(&s.tlsTrust, "tls-trust", "", "authorities that may vouch for a bridge, a PEM file; empty: the system's")
	flag.StringVar(&s.tlsBridge, "tls-bridge", "", "SIP address that calls originated over TLS go to")
	flag.StringVar(&s.profileName, "profile", "", "what the far end is: asterisk or freeswitch; empty: a carrier")
	flag.BoolVar(&s.lines, "lines", false, "print what the phones say, as JSON, and end")
	flag.BoolVar(&s.debug, "debug", false, "log the SIP stack's inner life")
	flag.Parse()
	first, last, _ := strings.Cut(s.rtp, "-")
	var err1, err2 error
	s.rtpFirst, err1 = strconv.Atoi(first)
	s.rtpLast, err2 = strconv.Atoi(last)
	if err1 != nil || err2 != nil || s.rtpFirst > s.rtpLast {
		return s, fmt.Errorf("-rtp wants FIRST-LAST, not %q", s.rtp)
	}
	s.profile, err1 = profileNamed(s.profileName)
	return s, err1
}

func run() error {
	s, err := parseFlags()
	if err != nil {
		return err
	}
	if s.lines {
		return printLines(os.Stdout)
	}
	setUpLogs(s.debug)
	for _, dir := range []string{s.dir, s.cache} {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	voices := newVoiceBox(s.speech, s.cache)
	x, err := newCarrier(s.options, voices)
	if err != nil {
		return err
	}
	serving, endServing := context.WithCancel(context.Background())
	defer endServing()
	if err := x.start(serving); err != nil {
		return err
	}
	go voices.warm(ctx, allLines())
	return serveControl(ctx, x, s.control)
}

// serveControl blocks until a signal, then hangs up what is live.
func serveControl(ctx context.Context, x *carrier, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: x.control(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("carrier ready", "sip", x.sipAddress, "control", listener.Addr().String())
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	x.stop(2 * time.Second)
	return errors.Join(err, server.Close())
}

func setUpLogs(debug bool) {
	level, inner := slog.LevelInfo, slog.LevelError
	if debug {
		level, inner = slog.LevelDebug, slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	sip.SetDefaultLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: inner})))
}
