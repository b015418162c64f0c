// The page: buttons, phases (idle → dialling → live → ended), messages.

import { Call, CallError, checkBrowser } from "/web/call.js";
import { STATES, View } from "/web/view.js";

const $ = (id) => document.getElementById(id);
const LETTERS = { 2: "ABC", 3: "DEF", 4: "GHI", 5: "JKL", 6: "MNO", 7: "PQRS", 8: "TUV", 9: "WXYZ", 0: "person" };
const FILES = {
  "recording.wav": "Recording", "transcript.md": "Transcript", "waterfall.svg": "Waterfall picture",
  "trace.json": "Trace", "journal.jsonl": "Journal",
};
const REASONS = {
  caller_hung_up: "You hung up.", agent_hung_up: "The receptionist said goodbye.", goodbye: "The receptionist said goodbye.",
  media_lost: "The connection was lost.", shutdown: "The server was stopped.", transferred: "You were handed over to a person.",
};
const view = new View();
let call = null;
let timer = 0;
let meter = 0;
let businesses = [];

function phase(name) {
  document.body.dataset.phase = name;
  const live = name === "live" || name === "dialling";
  $("call").hidden = live;
  $("hangup").hidden = !live;
  $("tools").hidden = $("meter").hidden = $("timer").hidden = name !== "live";
  $("hint").hidden = live;
  $("business").disabled = live;
  if (!live) {
    $("keypad").hidden = true;
    $("keys").setAttribute("aria-expanded", "false");
    $("unblock").hidden = true;
  }
}

function show(state) {
  document.body.dataset.state = state;
  const text = STATES[state] ?? state;
  if ($("state").textContent !== text) $("state").textContent = text;
}

function alert(title, advice = "") {
  const box = $("alert");
  box.replaceChildren();
  box.hidden = !title;
  if (!title) return;
  const strong = document.createElement("strong");
  strong.textContent = title;
  box.append(strong, advice);
}

async function dial() {
  alert("");
  view.reset();
  $("after").hidden = true;
  phase("dialling");
  show("connecting");
  const mine = (call = new Call());
  mine.addEventListener("changes", (event) => mine === call && update(event.detail));
  mine.addEventListener("track", (event) => play(event.detail));
  mine.addEventListener("unsteady", (event) => alert(...(event.detail ? ["The line is unsteady.", "Waiting for it to come back…"] : [""])));
  mine.addEventListener("lost", (event) => { alert(event.detail, "The call has ended; press Call to try again."); mine.hangUp(); });
  mine.addEventListener("closed", () => ended(mine));
  $("hangup").focus();
  try {
    await mine.start($("business").value);
  } catch (error) {
    mine.abandon();
    if (mine !== call || document.body.dataset.phase !== "dialling") return; // hung up meanwhile
    phase("idle");
    show("idle");
    $("call").focus();
    if (error instanceof CallError) alert(error.message, error.advice);
    else alert("The call could not be set up.", "Press Call to try again.");
    return;
  }
  if (document.body.dataset.phase !== "dialling" || mine !== call) return;
  phase("live");
  setMute(false);
  startTimer();
  startMeter(mine.microphone);
  if (!businesses.length) loadBusinesses(); // the server was down when the page was opened
}

function update(changes) {
  view.apply(changes);
  if (document.body.dataset.phase !== "ended") show(view.state);
}

async function play(stream) {
  const audio = $("remote");
  audio.srcObject = stream;
  try {
    await audio.play();
  } catch {
    $("unblock").hidden = false; // the browser wants one more gesture before it lets the page be heard
  }
}

async function ended(mine) {
  stopMeter();
  clearInterval(timer);
  phase("ended");
  show("ended");
  $("hint").hidden = true;
  if (!mine.location) {
    phase("idle");
    show("idle");
  }
  $("call").focus();
  if (!mine.location) return;
  const info = await finished(mine.location);
  mine.forget();
  if (!info || mine !== call) return;
  $("after-text").textContent = REASONS[info.reason] ?? (info.reason ? `Reason: ${info.reason.replaceAll("_", " ")}.` : "");
  const recording = $("recording");
  recording.src = `${mine.location}/recording.wav`;
  $("files").replaceChildren(...Object.entries(FILES).map(([name, label]) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${mine.location}/${name}`;
    link.textContent = label;
    if (name.endsWith(".svg") || name.endsWith(".md")) { link.target = "_blank"; link.rel = "noopener"; } else link.download = `${info.id}-${name}`;
    item.append(link);
    return item;
  }));
  $("after").hidden = false;
  view.seekable((seconds) => { recording.currentTime = seconds; recording.play(); });
}

/** The call once its files are whole, or null after ten seconds. */
async function finished(location) {
  for (let tries = 0; tries < 50; tries++) {
    try {
      const response = await fetch(location);
      if (!response.ok) return null;
      const info = await response.json();
      if (info.ended) return info;
    } catch { return null; }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return null;
}

function startTimer() {
  const began = performance.now();
  const tick = () => {
    const seconds = Math.floor((performance.now() - began) / 1000);
    $("timer").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  tick();
  timer = setInterval(tick, 500);
}

function startMeter(stream) {
  const Context = window.AudioContext;
  if (!Context || !stream) return;
  const context = new Context();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Uint8Array(analyser.fftSize);
  meter = setInterval(() => {
    analyser.getByteTimeDomainData(samples);
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample - 128));
    $("level").style.width = `${Math.min(100, (peak / 128) * 140)}%`;
  }, 80);
  stopMeter = () => { clearInterval(meter); $("level").style.width = "0"; context.close(); stopMeter = () => {}; };
}
let stopMeter = () => {};

function setMute(muted) {
  call?.mute(muted);
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").querySelector("span").textContent = muted ? "Muted" : "Mute";
}

function press(digit) {
  const key = $("keypad").querySelector(`[data-digit="${CSS.escape(digit)}"]`);
  key?.classList.add("down");
  setTimeout(() => key?.classList.remove("down"), 150);
  call?.press(digit).then((ok) => { if (!ok) alert("The key was not sent.", "The call may have ended."); });
}

function buildKeypad() {
  for (const digit of "123456789*0#") {
    const key = document.createElement("button");
    key.type = "button";
    key.dataset.digit = digit;
    key.textContent = digit;
    const letters = document.createElement("small");
    letters.textContent = LETTERS[digit] ?? "\u00a0";
    key.append(letters);
    key.setAttribute("aria-label", { "*": "star", "#": "hash", 0: "0, a person" }[digit] ?? digit);
    key.addEventListener("click", () => press(digit));
    $("keypad").append(key);
  }
  $("keypad").addEventListener("keydown", (event) => {
    if (/^[0-9*#]$/.test(event.key)) press(event.key);
    if (event.key === "Escape") $("keys").click();
  });
}

async function loadBusinesses() {
  try {
    const response = await fetch("/businesses");
    if (!response.ok) throw new Error(response.statusText);
    businesses = await response.json();
  } catch {
    alert("The server does not answer.", "Start it again (make serve) and reload this page.");
    return;
  }
  $("business").replaceChildren(...businesses.map((business) => new Option(business.name, business.id)));
  $("business-choice").hidden = businesses.length < 2;
  $("business-name").textContent = businesses[0]?.name ?? "Nobody";
  document.title = `${businesses[0]?.name ?? "aiConnected Voice"} · aiConnected Voice`;
}

$("call").addEventListener("click", dial);
$("hangup").addEventListener("click", () => call?.hangUp());
$("mute").addEventListener("click", () => setMute($("mute").getAttribute("aria-pressed") !== "true"));
$("keys").addEventListener("click", () => {
  const open = $("keypad").hidden;
  $("keypad").hidden = !open;
  $("keys").setAttribute("aria-expanded", String(open));
  (open ? $("keypad").firstElementChild : $("keys")).focus();
});
$("person").addEventListener("click", () => press("0"));
$("decisions").addEventListener("change", () => document.body.classList.toggle("decisions", $("decisions").checked));
$("unblock").addEventListener("click", () => { $("unblock").hidden = true; $("remote").play(); });
$("business").addEventListener("change", () => {
  $("business-name").textContent = businesses.find((business) => business.id === $("business").value)?.name ?? "";
});
window.addEventListener("pagehide", () => call?.hangUp());
document.body.classList.toggle("decisions", $("decisions").checked); // a reload may keep it checked
buildKeypad();
phase("idle");
loadBusinesses();
try { checkBrowser(); } catch (error) { alert(error.message, error.advice); }
