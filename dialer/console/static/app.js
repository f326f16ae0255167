// The call of the page: Connect, talk, mute, hang up.

import { ending } from "./endings.js";
import { follow, hangUp, placeCall, Refusal } from "./gateway.js";
import { Visualiser, wakeAudio } from "./visualiser.js";
import { Words } from "./words.js";

const { Room, RoomEvent, Track, createLocalAudioTrack, setLogLevel } = window.LivekitClient;
setLogLevel("warn");

const byId = (id) => document.getElementById(id);
const panel = byId("call");
const words = new Words(byId("turns"));
const agentBars = new Visualiser(byId("agent-bars"));
const ownBars = new Visualiser(byId("own-bars"));

// One call at a time; null between calls.
let call = null;

function show(phase, status) {
  panel.dataset.phase = phase;
  byId("status").textContent = status;
  const inCall = phase !== "idle";
  byId("connect").hidden = inCall;
  byId("agent").disabled = inCall;
  byId("mute").hidden = byId("hang-up").hidden = !inCall;
  byId("mute").disabled = phase !== "live";
  byId("hang-up").disabled = phase === "ending";
}

function complain(text, { signIn = false } = {}) {
  byId("error-text").textContent = text;
  byId("error-sign-in").hidden = !signIn;
  byId("error").hidden = !text;
}

function microphoneTrouble(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The browser may not use the microphone. Allow it beside the address bar, then connect again.";
    case "NotFoundError":
      return "No microphone was found. Plug one in, then connect again.";
    case "NotReadableError":
      return "The microphone is used by another program. Close that, then connect again.";
    default:
      return `The microphone could not be opened (${error.name}).`;
  }
}

async function openMicrophone() {
  if (!navigator.mediaDevices) {
    throw new Refusal("Browsers give the microphone only to https pages and to localhost.");
  }
  try {
    return await createLocalAudioTrack({
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    });
  } catch (error) {
    throw new Refusal(microphoneTrouble(error));
  }
}

function startClock() {
  const since = Date.now();
  const draw = () => {
    const seconds = Math.floor((Date.now() - since) / 1000);
    const padded = String(seconds % 60).padStart(2, "0");
    byId("clock").textContent = `${Math.floor(seconds / 60)}:${padded}`;
  };
  draw();
  return setInterval(draw, 500);
}

const LIVE = "In the call";

function goLive() {
  if (!call || call.clock) return;
  call.clock = startClock();
  show("live", LIVE);
  refreshLatest();
}

function hear(event) {
  switch (event.type) {
    case "call.waiting":
      return show("connecting", "Waiting for an agent");
    case "call.agent_joined":
      return words.happened("The agent is in the room.");
    case "call.agent_lost":
      return words.happened("The agent was lost. Another one is asked for.");
    case "call.agent_rescued":
      return words.happened("Another agent took over.");
    case "call.answered":
      return goLive();
    case "call.turn":
      return words.turn(event.data);
    case "call.warning":
      return words.happened(event.data.message);
    case "call.ended":
      return finish(ending(event.data), { failed: event.data.outcome === "failed" });
  }
}

function meetAgent(track) {
  if (track.kind !== Track.Kind.Audio) return;
  byId("agent-audio").append(track.attach());
  agentBars.show(track.mediaStreamTrack);
}

async function enter(room, { livekit_url: url, token }, microphone) {
  room
    .on(RoomEvent.TrackSubscribed, meetAgent)
    .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((made) => made.remove()))
    .on(RoomEvent.Reconnecting, () => show("connecting", "Connection lost, trying again"))
    .on(RoomEvent.Reconnected, () => call?.clock && show("live", LIVE))
    .on(RoomEvent.AudioPlaybackStatusChanged, () => room.canPlaybackAudio || playAtNextClick(room))
    .on(RoomEvent.Disconnected, () => leaveSoon());
  try {
    await room.connect(url, token);
  } catch {
    throw new Refusal(`The audio connection to ${url} could not be made.`);
  }
  await room.localParticipant.publishTrack(microphone, { source: Track.Source.Microphone });
}

function playAtNextClick(room) {
  complain("The browser holds the agent's voice back. Click anywhere to hear it.");
  document.addEventListener(
    "click",
    () => {
      complain("");
      room.startAudio();
    },
    { once: true },
  );
}

// The room is gone; the event stream says why a moment later. It must not keep us waiting.
function leaveSoon() {
  const ended = call;
  setTimeout(() => {
    if (!ended || ended !== call) return;
    if (ended.hangingUp) finish("You hung up.");
    else finish("The connection to the call was lost.", { failed: true });
  }, 5000);
}

async function connect() {
  complain("");
  words.clear();
  byId("clock").textContent = "";
  show("connecting", "Asking for the microphone");
  const mine = (call = {
    room: new Room(),
    microphone: null,
    placed: null,
    unfollow: null,
    clock: 0,
    hangingUp: false,
  });
  try {
    await wakeAudio();
    mine.microphone = await openMicrophone();
    // Who hung up in the meantime has another call by now, or none.
    if (mine !== call) return mine.microphone.stop();
    ownBars.show(mine.microphone.mediaStreamTrack);
    show("connecting", "Placing the call");
    mine.placed = await placeCall(byId("agent").value);
    if (mine !== call) return void hangUp(mine.placed.call.id);
    show("connecting", "Waiting for the agent");
    mine.unfollow = follow(mine.placed.call.id, hear);
    await enter(mine.room, mine.placed, mine.microphone);
    refreshLatest();
  } catch (error) {
    if (mine !== call) return;
    if (mine.placed) hangUp(mine.placed.call.id).catch(() => {});
    const told = error instanceof Refusal ? error.message : `Something failed: ${error.message}`;
    complain(told, { signIn: error.status === 401 });
    finish("Not connected");
  }
}

function finish(text, { failed = false } = {}) {
  if (!call) return;
  const ended = call;
  call = null;
  clearInterval(ended.clock);
  ended.unfollow?.();
  ended.microphone?.stop();
  ended.room.disconnect();
  agentBars.stop();
  ownBars.stop();
  setMuted(false);
  if (ended.placed) words.happened(text);
  if (failed) complain(text);
  show("idle", ended.placed ? "Call ended" : text);
  refreshLatest();
}

async function end() {
  const ended = call;
  if (!ended?.placed) return finish("Not connected");
  ended.hangingUp = true;
  ended.microphone.stop();
  show("ending", "Hanging up");
  // First the wish, then the leaving: the record then tells whose hang-up it was.
  await hangUp(ended.placed.call.id).catch((error) => complain(error.message));
  await ended.room.disconnect();
}

function setMuted(muted) {
  byId("mute").dataset.muted = String(muted);
  byId("mute-text").textContent = muted ? "Unmute" : "Mute";
}

async function toggleMute() {
  const track = call?.microphone;
  if (!track) return;
  await (track.isMuted ? track.unmute() : track.mute());
  setMuted(track.isMuted);
}

// The server writes times in UTC; their readers have a time zone.
function tellLocalTimes() {
  for (const time of document.querySelectorAll("#latest time")) {
    const when = new Date(time.dateTime);
    time.textContent = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    time.title = when.toLocaleString();
  }
}

function refreshLatest() {
  document.body.dispatchEvent(new Event("calls-changed"));
}

byId("connect").addEventListener("click", connect);
byId("hang-up").addEventListener("click", end);
byId("mute").addEventListener("click", toggleMute);
new MutationObserver(tellLocalTimes).observe(byId("latest"), { childList: true });
tellLocalTimes();
show("idle", "Ready");
// Until here a click would have been lost.
byId("connect").disabled = false;
