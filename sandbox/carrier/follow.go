package main

// How a record follows the wire: the state of a call is read off the messages that
// crossed, never off what the carrier's own code meant to send.

// follow applies one message; repeated marks a request that crossed before.
func (r *Record) follow(m wireMessage, repeated bool) {
	switch {
	case m.isRequest() && repeated:
		if m.direction == "rx" {
			r.Retransmissions++
		}
	case m.isRequest():
		r.followRequest(m)
	case m.method == "INVITE" && r.AnsweredAt.IsZero():
		r.followResponse(m)
	}
}

func (r *Record) followRequest(m wireMessage) {
	switch m.method {
	case "INVITE":
		if !m.inDialog && !(m.signed && r.challenged) {
			r.Invites++
		}
	case "CANCEL":
		r.canceledBy = sender(m)
	case "BYE":
		r.end(sender(m))
	}
}

// followResponse takes a response to the first INVITE.
func (r *Record) followResponse(m wireMessage) {
	switch {
	case m.status == 100:
	case m.status < 200:
		r.State = stateRinging
		if r.RingingAt.IsZero() {
			r.RingingAt = now()
		}
	case m.status < 300:
		r.State, r.FinalStatus, r.AnsweredAt = stateAnswered, m.status, now()
	case m.status == 401 || m.status == 407:
		r.State, r.FinalStatus, r.challenged = stateChallenged, m.status, true
	default:
		r.FinalStatus = m.status
		if r.canceledBy != "" {
			r.end(r.canceledBy)
		}
		r.end(sender(m))
	}
}

func (r *Record) end(by string) {
	if r.EndedAt.IsZero() {
		r.State, r.EndedAt, r.EndedBy = stateEnded, now(), by
	}
}

func sender(m wireMessage) string {
	if m.direction == "rx" {
		return byBridge
	}
	return byCarrier
}
