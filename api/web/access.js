// Signing in: who am I, and may I judge and delete? A server without tokens lets everyone in and the button stays away.

import { $, setText } from "./dom.js";
import { get, setToken, token } from "./server.js";

export class Access {
  me = null; // {name, role, streams}, null while unknown or refused.
  refused = false; // The server wants to know who this is before it shows anything.
  #changed;
  #asked = false;

  /** @param {() => void} changed is called when another person is known */
  constructor(changed) {
    this.#changed = changed;
    $("access-button").addEventListener("click", () => this.ask());
    $("access-cancel").addEventListener("click", () => $("access").close());
    $("access-forget").addEventListener("click", () => {
      $("access").close();
      this.#take("");
    });
    $("access-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take($("access-token").value.trim());
    });
  }

  /** May this person say something about anomalies and incidents? */
  get writes() {
    return this.me?.role === "ingest" || this.admin;
  }

  get admin() {
    return this.me?.role === "admin";
  }

  ask(reason = "") {
    if ($("access").open) return;
    setText($("access-error"), reason);
    $("access-token").value = "";
    $("access-forget").hidden = !token();
    $("access").showModal();
  }

  /** Asks the server who we are; a server that needs a token opens the dialog once. */
  async check() {
    try {
      this.me = await get("api/me");
      this.refused = false;
    } catch (error) {
      this.me = null;
      this.refused = error.status === 401;
      if (this.refused && !this.#asked) {
        this.#asked = true;
        this.ask();
      }
    }
    this.#show();
  }

  async #take(value) {
    const before = token();
    setToken(value);
    try {
      this.me = await get("api/me");
      this.refused = false;
      this.#asked = true;
      $("access").close();
    } catch (error) {
      if (value === "") {
        this.me = null;
        this.refused = error.status === 401;
      } else {
        setToken(before);
        setText($("access-error"), error.status === 401 ? "The server does not know this token." : `Signing in: ${error.message}`);
        return;
      }
    }
    this.#show();
    this.#changed();
  }

  #show() {
    const button = $("access-button");
    button.hidden = this.me !== null && !token();
    setText(button, this.me && token() ? `${this.me.name} · ${this.me.role}` : "Sign in");
  }
}
