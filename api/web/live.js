// One live connection that heals itself: it resumes where it stopped, backs off while the server is away, and notices when
// a connection has silently died.

import { address, get, token } from "./server.js";

const firstDelay = 400; // Milliseconds before the first new attempt; doubled up to the longest.
const longestDelay = 8000;

export class Live {
  #path;
  #query;
  #required = {};
  #onFrame;
  #onState;
  #socket = null;
  #timer = 0;
  #watchdog = 0;
  #failures = 0;
  #cursor = "";
  #silence = 40000; // Milliseconds without a frame after which the connection counts as dead.
  #stopped = true;

  /**
   * @param {string} path ws/alerts or ws/incidents
   * @param {object} query its filters
   * @param {(frame: object) => void} onFrame takes every frame
   * @param {(state: "connecting"|"live"|"reconnecting"|"denied") => void} onState
   */
  constructor(path, query, onFrame, onState = () => {}) {
    this.#path = path;
    this.#query = query;
    this.#onFrame = onFrame;
    this.#onState = onState;
  }

  /** Adds a filter that is sent even when it is empty. */
  require(name, value) {
    this.#required = { ...this.#required, [name]: value };
  }

  start() {
    this.#stopped = false;
    addEventListener("online", this.#soon);
    document.addEventListener("visibilitychange", this.#soon);
    this.#onState("connecting");
    this.#open();
  }

  stop() {
    this.#stopped = true;
    removeEventListener("online", this.#soon);
    document.removeEventListener("visibilitychange", this.#soon);
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  // A network that came back, or a person who came back, should not wait for the back-off.
  #soon = () => {
    if (this.#stopped || this.#socket || document.hidden) return;
    clearTimeout(this.#timer);
    this.#open();
  };

  #open() {
    const url = address(this.#path, { ...this.#query, since: this.#cursor });
    for (const [name, value] of Object.entries(this.#required)) url.searchParams.set(name, value);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const protocols = ["anomalystream"];
    if (token()) protocols.push(`bearer.${token()}`);
    let socket;
    try {
      socket = new WebSocket(url, protocols);
    } catch {
      this.#onState("denied"); // A token with characters that no protocol name may have.
      return;
    }
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#watch();
      this.#onState("live");
    };
    socket.onmessage = (message) => {
      if (this.#socket !== socket) return;
      this.#failures = 0; // Only now: a server may accept and close at once.
      this.#watch();
      let frame;
      try {
        frame = JSON.parse(message.data);
      } catch {
        return; // Not ours: a frame is always JSON.
      }
      if (frame.type === "hello" && frame.heartbeat_seconds > 0) this.#silence = frame.heartbeat_seconds * 2500;
      this.#onFrame(frame);
      if (frame.cursor) this.#cursor = frame.cursor;
    };
    socket.onclose = () => this.#lost(socket, opened);
  }

  #watch() {
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#watchdog = setTimeout(() => {
      if (this.#socket !== socket || this.#stopped) return;
      socket.onclose = null; // Its own close may take minutes when the other side is gone.
      socket.close();
      this.#lost(socket, true);
    }, this.#silence);
  }

  async #lost(socket, opened) {
    if (this.#socket !== socket || this.#stopped) return;
    this.#socket = null;
    clearTimeout(this.#watchdog);
    this.#failures++;
    this.#onState("reconnecting");
    if (!opened && this.#failures >= 3 && (await this.#refused())) return;
    if (this.#stopped) return;
    const delay = Math.min(longestDelay, firstDelay * 2 ** (this.#failures - 1));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), delay * (0.75 + Math.random() / 2));
  }

  // A browser does not tell why a WebSocket failed; REST does. A server that answers and yet refuses the connection does
  // not know our cursor, so we start afresh and ask for everything again.
  async #refused() {
    try {
      await get("api/me");
    } catch (error) {
      if (error.status !== 401 && error.status !== 403) return false;
      this.#onState("denied");
      return true;
    }
    if (this.#cursor) {
      this.#cursor = "";
      this.#onFrame({ type: "gap", reason: "the server does not know where we were", items: [] });
    }
    return false;
  }
}
