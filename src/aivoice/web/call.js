// One call over WHIP (RFC 9725): the microphone out, the agent in, and the live events beside it.

const GATHER_MS = 1500; // candidates of this machine come at once; a slow STUN server must not hold up the call
const LAST_WORD_MS = 400; // what the agent said last is still in this browser's buffer when the call ends
const DOUBT_MS = 1000; // between two questions to a server whose events broke off
const DOUBTS = 3;

/** What is wrong, and what the person can do about it. */
export class CallError extends Error {
  constructor(title, advice) {
    super(title);
    this.advice = advice;
  }
}

/** Why the microphone cannot be used, as a CallError. */
export function microphoneError(error) {
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return new CallError("The microphone is blocked.",
        "Allow the microphone for this page (the icon left of the address), then press Call again.");
    case "NotFoundError":
    case "OverconstrainedError":
      return new CallError("No microphone was found.", "Connect a microphone or a headset, then press Call again.");
    case "NotReadableError":
    case "AbortError":
      return new CallError("The microphone cannot be used.",
        "Another program may be using it: close that program, then press Call again.");
    default:
      return new CallError("The microphone did not start.", "Reload the page and press Call again.");
  }
}

/** Throws a CallError where this browser or address cannot make calls at all. */
export function checkBrowser() {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    throw new CallError("The browser gives no microphone to this address.",
      "Open the page as http://127.0.0.1 or http://localhost on the machine that runs the server, or serve it over HTTPS.");
  }
  if (!window.RTCPeerConnection) {
    throw new CallError("This browser has no WebRTC.", "Use a current Chromium, Chrome, Edge, Firefox or Safari.");
  }
}

async function problemOf(response) {
  try {
    const problem = await response.json();
    return new CallError("The call was not taken.", problem.detail ?? problem.title ?? "");
  } catch {
    return new CallError("The call was refused.", `The server answered ${response.status}.`);
  }
}

function gathered(peer) {
  return new Promise((resolve) => {
    if (peer.iceGatheringState === "complete") return resolve();
    const timer = setTimeout(resolve, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") {
        clearTimeout(timer);
        resolve();
      }
    });
  });
}

/**
 * A call. Listen for: `changes` (detail: the array of changes), `track` (detail: MediaStream), `unsteady` (detail: whether
 * the line is, now), `lost` (detail: why), `closed`.
 * `hangUp` is safe at any time, also twice.
 */
export class Call extends EventTarget {
  #peer = null;
  #events = null;
  #stream = null;
  #over = false;
  #doubting = false;
  location = "";

  get id() {
    return this.location.split("/").pop();
  }

  get microphone() {
    return this.#stream;
  }

  async start(business) {
    checkBrowser();
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      throw microphoneError(error);
    }
    if (this.#over) return this.#release();
    this.#stream.getAudioTracks()[0].addEventListener("ended", () => this.#emit("lost", "The microphone was taken away."));
    const peer = (this.#peer = new RTCPeerConnection());
    peer.addTransceiver(this.#stream.getAudioTracks()[0], { direction: "sendrecv", streams: [this.#stream] });
    peer.addEventListener("track", (event) => this.#emit("track", event.streams[0] ?? new MediaStream([event.track])));
    peer.addEventListener("connectionstatechange", () => {
      if (this.#over) return;
      if (peer.connectionState === "failed") this.#emit("lost", "The connection was lost.");
      else this.#emit("unsteady", peer.connectionState === "disconnected");
    });
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const response = await this.#post(`/calls?business=${encodeURIComponent(business)}`, peer.localDescription.sdp);
    this.location = response.headers.get("Location");
    if (this.#over) {
      this.#delete();
      return this.#release();
    }
    this.#listen();
    await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  async #post(url, sdp) {
    let response;
    try {
      response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp });
    } catch {
      throw new CallError("The server does not answer.", "See whether it still runs, then press Call again.");
    }
    if (response.status !== 201) throw await problemOf(response);
    return response;
  }

  #listen() {
    this.#events = new EventSource(`${this.location}/events`);
    this.#events.addEventListener("message", (event) => {
      const changes = JSON.parse(event.data);
      this.#emit("changes", changes);
      if (changes.some((change) => change.op === "end")) {
        this.#events.close();
        setTimeout(() => this.#finish(), LAST_WORD_MS);
      }
    });
    this.#events.addEventListener("error", () => this.#doubt());
  }

  /** The events broke off. A browser tells of dead media only after half a minute, so the server itself is asked. */
  async #doubt() {
    if (this.#over || this.#doubting) return;
    this.#doubting = true;
    try {
      for (let tries = 0; tries < DOUBTS; tries++) {
        const status = await fetch(this.location).then((response) => response.status, () => 0);
        if (this.#over) return;
        if (status === 404) return this.#emit("lost", "The server was started anew and knows nothing of this call.");
        if (status) return; // the events come back by themselves
        const before = await this.#received();
        await new Promise((resolve) => setTimeout(resolve, DOUBT_MS));
        if (this.#over || (await this.#received()) > before) return; // the voices still come through
      }
      this.#emit("lost", "The server does not answer any more.");
    } finally {
      this.#doubting = false;
    }
  }

  /** Packets of the agent's voice so far. */
  async #received() {
    let packets = 0;
    for (const part of (await this.#peer.getStats()).values()) if (part.type === "inbound-rtp") packets += part.packetsReceived;
    return packets;
  }

  press(digit) {
    return fetch(`${this.location}/dtmf`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ digit }),
    }).then((response) => response.ok, () => false);
  }

  mute(muted) {
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  #delete() {
    // keepalive: also reaches the server when the page is being closed
    return fetch(this.location, { method: "DELETE", keepalive: true }).catch(() => undefined);
  }

  hangUp() {
    if (this.#over) return;
    if (this.location) this.#delete();
    this.#finish();
  }

  #finish() {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    this.#emit("closed");
  }

  #release() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#peer?.close();
    if (this.#events?.readyState === EventSource.CONNECTING) this.#events.close();
  }

  /** Give up before or after the start failed. */
  abandon() {
    this.#over = true;
    this.#events?.close();
    this.#release();
  }

  /** Stop listening to events: the call's last changes have come. */
  forget() {
    this.#events?.close();
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
