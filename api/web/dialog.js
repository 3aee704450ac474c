// What the dialogs of anomalies and incidents share.

import { $, h } from "./dom.js";
import { sentence } from "./format.js";
import { get, part } from "./server.js";

/** A dialog that shows one thing by its id: at once where it is known, else as the server has it. A subclass builds the content. */
export class Details {
  id = "";
  dialog;
  #o;
  #asked = 0;

  /**
   * @param {object} o
   * @param {string} o.dialog id of the dialog; its title's is the same with "-title"
   * @param {string} o.heading stands for a thing that is not there
   * @param {string} o.path where the server has such things
   * @param {string} o.gone says that it has this one not
   * @param {(id: string) => object|undefined} o.find a thing that is known already
   * @param {(id: string) => void} o.closed is called when the dialog has closed
   */
  constructor(o) {
    this.#o = o;
    this.dialog = $(o.dialog);
    this.dialog.addEventListener("close", () => {
      const { id } = this;
      this.id = "";
      this.#asked++;
      this.leave();
      this.dialog.replaceChildren();
      o.closed(id);
    });
    // A click beside a dialog closes it: one on the backdrop is one on the dialog itself.
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  /** Lets go of the content before it is replaced. */
  leave() {}

  async open(id) {
    if (this.id === id) return;
    this.id = id;
    const asked = ++this.#asked;
    const known = this.#o.find(id);
    if (known) {
      this.build(known); // One that has just arrived may not be stored yet, so the store is not asked.
      return;
    }
    this.#message("Loading …");
    try {
      const stored = await get(`${this.#o.path}/${part(id)}`);
      if (asked === this.#asked) this.build(stored);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#message(error.status === 404 ? this.#o.gone : sentence(error.message));
    }
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  /** The title, which takes the focus when the dialog opens. */
  title(attributes) {
    return h("h2", { id: `${this.#o.dialog}-title`, tabindex: "-1", ...attributes });
  }

  /** Shows content, of a severity level where it has one. */
  present(level, ...content) {
    this.leave();
    const close = h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.dialog.close() }, "×");
    this.dialog.replaceChildren(h("div", { class: "detail-body", dataset: level ? { level } : {} }, close, ...content));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    $(`${this.#o.dialog}-title`).focus();
  }

  #message(text) {
    this.present("", this.title({ text: this.#o.heading }), h("p", { text }));
  }
}

/** A button that copies the link to what an address of the page shows. */
export function copyLink(hash, what) {
  const button = h("button", { type: "button", class: "quiet", text: "Copy link" });
  button.addEventListener("click", async () => {
    const link = new URL(hash, document.baseURI).href;
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = "Link copied";
    } catch {
      prompt(`The link to this ${what}`, link); // Clipboards need a secure page.
    }
  });
  return button;
}
