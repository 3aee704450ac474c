// What the dialogs of anomalies and incidents share.

import { h } from "./dom.js";

export const closeButton = (dialog) => h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×");

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

/** Closes a dialog by a click beside it: one on the backdrop is one on the dialog itself. */
export const closeBeside = (dialog) => dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
