// Draws the live view: `apply(changes)` takes what the server sends (see traces/live.py) and updates the page.

const STAGES = {
  vad: "voice activity", transcript: "transcript", endpointing: "end of turn", context: "context",
  first_token: "first token", clause: "clause", tts: "speech", playout: "playout",
};
export const STATES = {
  idle: "Ready", connecting: "Connecting…", listening: "Listening", hearing: "Hearing you", thinking: "Thinking…",
  speaking: "Speaking", paused: "Paused, listening to you", working: "Looking that up…",
  transferring: "Transferring you…", ended: "Call ended",
};

const ms = (value) => `${Math.round(value).toLocaleString("en")} ms`;
const clock = (value) => `${Math.floor(value / 60000)}:${String(Math.floor(value / 1000) % 60).padStart(2, "0")}`;

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export class View {
  #entries = new Map();
  #nodes = new Map();
  #list = document.getElementById("conversation");
  #empty = document.getElementById("empty");
  #falls = document.getElementById("falls");
  #fallsCard = document.getElementById("falls-card");
  #legend = document.getElementById("legend");
  #sum = document.getElementById("falls-sum");
  #announce = document.getElementById("announce");
  #seek = null;
  state = "idle";

  reset() {
    this.#entries.clear();
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.#falls.replaceChildren();
    this.#fallsCard.hidden = true;
    this.#empty.hidden = false;
    this.#seek = null;
  }

  /** Times become buttons that play the recording from there. */
  seekable(seek) {
    this.#seek = seek;
    for (const entry of this.#entries.values()) this.#draw(entry);
  }

  apply(changes) {
    const near = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 80;
    for (const change of changes) {
      if (change.op === "put") this.#put(change.entry);
      else if (change.op === "state") this.state = change.state;
    }
    this.#empty.hidden = this.#list.querySelector(":scope > :not(.decision)") !== null;
    if (near) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #put(entry) {
    const before = this.#entries.get(entry.id);
    this.#entries.set(entry.id, entry);
    if (entry.kind === "waterfall") return this.#drawFalls();
    this.#draw(entry);
    this.#say(entry, before);
  }

  #draw(entry) {
    const drawn = { caller: this.#caller, agent: this.#agent, tool: this.#tool, note: this.#note }[entry.kind]?.call(this, entry);
    const old = this.#nodes.get(entry.id);
    if (!drawn) {
      old?.remove();
      this.#nodes.delete(entry.id);
      return;
    }
    drawn.dataset.id = entry.id;
    this.#nodes.set(entry.id, drawn);
    if (old) old.replaceWith(drawn);
    else this.#insert(drawn, entry.at_ms);
  }

  #insert(node, at) {
    node.dataset.at = at;
    let after = this.#list.lastElementChild;
    while (after && Number(this.#entries.get(after.dataset.id)?.at_ms) > at) after = after.previousElementSibling;
    if (after) after.after(node);
    else this.#list.prepend(node);
  }

  #line(who, entry, ...tags) {
    const line = make("li", `line ${who}`);
    const name = make("div", "name", who === "agent" ? "Receptionist" : "You");
    const time = make(this.#seek ? "button" : "span", "time", clock(entry.at_ms));
    if (this.#seek) {
      time.type = "button";
      time.setAttribute("aria-label", `Play from ${clock(entry.at_ms)}`);
      time.addEventListener("click", () => this.#seek(entry.at_ms / 1000));
    }
    name.append(time, ...tags);
    line.append(name);
    return line;
  }

  #caller(entry) {
    if (!entry.text) return null;
    const aside = entry.status === "backchannel" || entry.status === "ignored";
    const tag = { backchannel: "listening along", ignored: "not taken as a turn" }[entry.status];
    const line = this.#line("caller", entry, ...(tag ? [make("span", "tag calm", tag)] : []));
    if (entry.status === "interim") line.classList.add("interim");
    if (aside) line.classList.add("aside");
    if (entry.why && entry.status === "turn") line.title = `The turn ended because ${entry.why}`;
    line.append(make("div", "text", entry.text));
    return line;
  }

  #agent(entry) {
    if (entry.status === "discarded" || !entry.text) return null;
    const cut = entry.status === "interrupted";
    const line = this.#line("agent", entry, ...(cut ? [make("span", "tag", "interrupted")] : []));
    if (entry.status === "held") line.classList.add("held");
    const text = make("div", "text", cut ? entry.heard : entry.status === "finished" ? entry.heard || entry.text : entry.text);
    if (cut) {
      const lost = entry.text.split(/\s+/).slice(entry.heard ? entry.heard.split(/\s+/).length : 0).join(" ");
      if (lost) text.append(" ", make("s", "lost", lost));
    }
    line.append(text);
    return line;
  }

  #tool(entry) {
    const line = make("li", "aside-line tool-line");
    const states = { running: "running…", accepted: "accepted…", ok: "done", failed: "failed", unknown: "outcome unknown", cancelled: "cancelled" };
    line.append(make("code", "", entry.name.replaceAll("_", " ")), ` · ${states[entry.status] ?? entry.status}`);
    if (entry.status === "failed" || entry.status === "unknown") line.classList.add("error");
    let given = entry.arguments;
    try { given = Object.entries(JSON.parse(entry.arguments)).map(([key, value]) => `${key}: ${value}`).join(", "); } catch { /* shown as it is */ }
    if (given) line.append(make("div", "", given));
    return line;
  }

  #note(entry) {
    return make("li", `aside-line ${entry.level}${entry.shown ? "" : " decision"}`, entry.text);
  }

  #say(entry, before) {
    // Screen readers hear finished lines only, never each interim.
    const done = (known) => known && (known.status === "turn" || known.status === "finished" || known.status === "interrupted");
    if (!done(entry) || done(before)) return;
    const words = entry.kind === "agent" ? `Receptionist: ${entry.heard || entry.text}` : entry.kind === "caller" ? `You: ${entry.text}` : "";
    if (!words) return;
    this.#announce.append(make("p", "", words + (entry.status === "interrupted" ? " (interrupted)" : "")));
    while (this.#announce.childElementCount > 4) this.#announce.firstElementChild.remove();
  }

  #drawFalls() {
    const falls = [...this.#entries.values()].filter((entry) => entry.kind === "waterfall");
    const longest = Math.max(1000, ...falls.map((fall) => Math.max(fall.total_ms, fall.first_sound_ms)));
    this.#fallsCard.hidden = false;
    this.#falls.replaceChildren(...falls.map((fall) => this.#fall(fall, longest)));
    const used = new Set(falls.flatMap((fall) => fall.stages.filter(([, took]) => took > 0).map(([name]) => name)));
    this.#legend.replaceChildren(...Object.entries(STAGES).filter(([name]) => used.has(name)).map(([name, label]) => {
      const item = make("li");
      const patch = make("i");
      patch.style.background = `var(--${name})`;
      item.append(patch, label);
      return item;
    }));
    const sorted = falls.map((fall) => fall.first_sound_ms).sort((a, b) => a - b);
    this.#sum.textContent = `median to first sound ${ms(sorted[Math.ceil(sorted.length / 2) - 1])}`;
  }

  #fall(fall, longest) {
    const row = make("li", "fall");
    const bar = make("div", "bar");
    const words = fall.stages.filter(([, took]) => took >= 0.5).map(([name, took]) => `${STAGES[name] ?? name} ${ms(took)}`);
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", words.join(", "));
    for (const [name, took] of fall.stages) {
      if (took <= 0) continue;
      const part = make("i", "", took / longest > 0.06 ? String(Math.round(took)) : "");
      part.style.width = `${(100 * took) / longest}%`;
      part.style.background = `var(--${name in STAGES ? name : "dim"})`;
      part.title = `${STAGES[name] ?? name}: ${ms(took)}`;
      bar.append(part);
    }
    if (fall.first_sound_ms < fall.answer_ms) {
      const mark = make("b");
      mark.style.left = `${(100 * fall.first_sound_ms) / longest}%`;
      mark.title = `first sound (filler): ${ms(fall.first_sound_ms)}`;
      bar.append(mark);
    }
    const figures = make("div", "figures");
    figures.append(make("strong", "", ms(fall.first_sound_ms)));
    figures.append(fall.first_sound_ms < fall.answer_ms ? " sound, " : " to the answer");
    if (fall.first_sound_ms < fall.answer_ms) figures.append(make("strong", "", ms(fall.answer_ms)), " answer");
    row.append(make("span", "turn", `Turn ${fall.turn}`), bar, figures);
    return row;
  }
}
