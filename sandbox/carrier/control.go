package main

import (
	"encoding/json"
	"net/http"
	"time"
)

// control serves the HTTP side: what a test asks of the carrier.
func (x *carrier) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", x.getHealth)
	mux.HandleFunc("GET /behaviours", getBehaviours)
	mux.HandleFunc("GET /calls", x.getCalls)
	mux.HandleFunc("DELETE /calls", x.deleteCalls)
	mux.HandleFunc("GET /calls/{id}", x.getCall)
	mux.HandleFunc("POST /calls/{id}/hangup", x.postHangup)
	mux.HandleFunc("POST /originate", x.postOriginate)
	return mux
}

func (x *carrier) getHealth(w http.ResponseWriter, _ *http.Request) {
	lines := allLines()
	reply(w, http.StatusOK, map[string]any{
		"ok": true, "live_calls": len(x.liveCalls()),
		"sentences": len(lines), "sentences_ready": x.voices.ready(lines),
		"profile": x.profile.name, "qualify": x.asked.read(),
	})
}

func getBehaviours(w http.ResponseWriter, _ *http.Request) {
	type row struct {
		Number      string `json:"number"`
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	rows := make([]row, 0, len(behaviours))
	for _, b := range behaviours {
		rows = append(rows, row{b.Number, b.Name, b.Description})
	}
	reply(w, http.StatusOK, rows)
}

func (x *carrier) getCalls(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f := filter{number: query.Get("number"), callID: query.Get("call_id"), state: query.Get("state")}
	if since := query.Get("since"); since != "" {
		t, err := time.Parse(time.RFC3339Nano, since)
		if err != nil {
			refuse(w, http.StatusBadRequest, "`since` must be an RFC 3339 time")
			return
		}
		f.since = t
	}
	x.refreshCounts()
	reply(w, http.StatusOK, map[string]any{"calls": x.ledger.list(f)})
}

func (x *carrier) refreshCounts() {
	for _, c := range x.liveCalls() {
		if c.answered() {
			c.keepCounts()
		}
	}
}

func (x *carrier) deleteCalls(w http.ResponseWriter, _ *http.Request) {
	x.ledger.forgetEnded()
	w.WriteHeader(http.StatusNoContent)
}

func (x *carrier) getCall(w http.ResponseWriter, r *http.Request) {
	x.refreshCounts()
	if record := x.ledger.withID(r.PathValue("id")); record != nil {
		reply(w, http.StatusOK, x.ledger.read(record))
		return
	}
	refuse(w, http.StatusNotFound, "no such call")
}

func (x *carrier) postHangup(w http.ResponseWriter, r *http.Request) {
	record := x.ledger.withID(r.PathValue("id"))
	if record == nil {
		refuse(w, http.StatusNotFound, "no such call")
		return
	}
	if c := x.callOf(record.CallID); c != nil {
		c.hangUp()
	}
	reply(w, http.StatusAccepted, x.ledger.read(record))
}

func (x *carrier) postOriginate(w http.ResponseWriter, r *http.Request) {
	var o origination
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		refuse(w, http.StatusBadRequest, "the body must be JSON: to, from, behaviour")
		return
	}
	record, err := x.originate(o)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	reply(w, http.StatusCreated, x.ledger.read(record))
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nothing to do
}

func refuse(w http.ResponseWriter, status int, why string) {
	reply(w, status, map[string]string{"error": why})
}
