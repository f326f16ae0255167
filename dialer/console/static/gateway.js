// The gateway's API as the page uses it; the sign-in cookie goes along by itself.

export class Refusal extends Error {
  constructor(message, { status = 0, code = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body ?? {}),
    });
  } catch {
    throw new Refusal("The gateway cannot be reached. Is it running?");
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  throw new Refusal(told.detail || told.title || `The gateway answered ${answer.status}.`, {
    status: answer.status,
    code: told.code,
  });
}

export function placeCall(agent) {
  return post("/api/token", agent ? { agent } : {});
}

export function hangUp(callId) {
  return post(`/calls/${encodeURIComponent(callId)}/hangup`);
}

const TYPES = [
  "call.waiting",
  "call.dispatching",
  "call.requeued",
  "call.agent_joined",
  "call.agent_ready",
  "call.answered",
  "call.agent_lost",
  "call.agent_rescued",
  "call.turn",
  "call.dtmf",
  "call.hangup_requested",
  "call.warning",
  "call.ended",
];

const AGAIN_MS = 1000;

// Follow a call's events from its first. An EventSource resumes by itself after a lost connection, but
// never after a refusal, as a proxy gives while the gateway is started anew.
export function follow(callId, tell) {
  const seen = new Set();
  let source;
  let over = false;
  const stop = () => {
    over = true;
    source.close();
  };
  const take = (message) => {
    const event = JSON.parse(message.data);
    if (seen.has(event.sequence)) return;
    seen.add(event.sequence);
    tell(event);
    if (event.type === "call.ended") stop();
  };
  const open = () => {
    if (over) return;
    source = new EventSource(`/calls/${encodeURIComponent(callId)}/events`);
    for (const type of TYPES) source.addEventListener(type, take);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    };
  };
  open();
  return stop;
}
