package main

import (
	"context"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// leg is one SIP dialog, whichever side began it.
type leg interface {
	Context() context.Context // ends with the dialog
	Do(ctx context.Context, req *sip.Request) (*sip.Response, error)
	WriteRequest(req *sip.Request) error
	target() sip.Uri // the peer's Contact
	readAck(req *sip.Request, tx sip.ServerTransaction)
	readBye(req *sip.Request, tx sip.ServerTransaction) error
	bye(ctx context.Context, headers ...sip.Header) error
}

// calledLeg is a dialog that the bridge began.
type calledLeg struct{ *sipgo.DialogServerSession }

func (l *calledLeg) target() sip.Uri { return l.InviteRequest.Contact().Address }

func (l *calledLeg) readAck(req *sip.Request, tx sip.ServerTransaction) { _ = l.ReadAck(req, tx) }

func (l *calledLeg) readBye(req *sip.Request, tx sip.ServerTransaction) error {
	return l.ReadBye(req, tx)
}

func (l *calledLeg) bye(ctx context.Context, headers ...sip.Header) error {
	return l.WriteBye(ctx, byeTo(l.target(), headers))
}

// callingLeg is a dialog that the carrier began.
type callingLeg struct{ *sipgo.DialogClientSession }

func (l *callingLeg) target() sip.Uri {
	if contact := l.InviteResponse.Contact(); contact != nil {
		return contact.Address
	}
	return l.InviteRequest.Recipient
}

func (l *callingLeg) readAck(*sip.Request, sip.ServerTransaction) {}

func (l *callingLeg) readBye(req *sip.Request, tx sip.ServerTransaction) error {
	return l.ReadBye(req, tx)
}

func (l *callingLeg) bye(ctx context.Context, headers ...sip.Header) error {
	return l.WriteBye(ctx, byeTo(l.target(), headers))
}

func byeTo(target sip.Uri, headers []sip.Header) *sip.Request {
	req := sip.NewRequest(sip.BYE, *target.Clone())
	for _, h := range headers {
		req.AppendHeader(h)
	}
	return req
}
