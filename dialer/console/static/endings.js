// How a call ended, as one sentence for the person who was in it.

const REASONS = {
  agent_hangup: "The agent said goodbye.",
  api_hangup: "You hung up.",
  callee_hangup: "You left the call.",
  silence: "The agent hung up after a long silence.",
  max_duration: "The call reached its longest duration.",
  media_timeout: "No audio arrived any more.",
  no_agent: "No agent took the call. Is a worker running?",
  agent_error: "The agent failed.",
  media_server_lost: "The media server was lost.",
  lost: "The call was lost.",
};

export function ending({ outcome, ended_reason: reason, message }) {
  const sentence = REASONS[reason] ?? `Reason: ${reason ?? "unknown"}.`;
  return outcome === "failed" && message ? `${sentence} ${message}` : sentence;
}
