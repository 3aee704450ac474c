// Choosing an entity among up to a hundred thousand: a combobox that asks the server and shows a few.

import { $, debounced, h, name } from "./dom.js";
import { count } from "./format.js";
import { get, part } from "./server.js";

const shown = 40; // Entities listed at once.

export const together = "All entities together";
export const own = "The whole stream";

/** How an entity is called on the page. */
export const entityName = (entity) => (entity === null ? together : entity === "" ? own : entity);

export class Picker {
  #choose;
  #stream = "";
  #entity = null;
  #options = []; // {entity, phase}
  #active = -1;
  #asked = 0;

  /** @param {(entity: string|null) => void} choose shows an entity; null for all together */
  constructor(choose) {
    this.#choose = choose;
    const input = $("entity");
    const search = debounced(() => this.#search(), 120);
    input.addEventListener("input", search);
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => this.#open());
    input.addEventListener("keydown", (event) => this.#keys(event));
    input.addEventListener("blur", () => this.#close());
    // Pressing must not take the focus from the input, or the list would close before the click.
    $("entity-list").addEventListener("pointerdown", (event) => event.preventDefault());
    $("entity-list").addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option?.dataset.index) this.#take(Number(option.dataset.index));
    });
  }

  /** Shows what is chosen. The picker hides where there is nothing to choose. */
  show(stream, entity, total) {
    const changed = stream !== this.#stream || entity !== this.#entity;
    this.#stream = stream;
    this.#entity = entity;
    $("picker").hidden = total < 2;
    if (changed || document.activeElement !== $("entity")) $("entity").value = entityName(entity);
  }

  #open() {
    if ($("entity-list").hidden) this.#search("");
  }

  #close() {
    this.#asked++;
    $("entity-list").hidden = true;
    const input = $("entity");
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.value = entityName(this.#entity);
    this.#active = -1;
  }

  async #search(text = $("entity").value.trim()) {
    const asked = ++this.#asked;
    try {
      const found = await get(`api/streams/${part(this.#stream)}/detectors`, { search: text, limit: shown });
      if (asked !== this.#asked) return;
      const all = text === "" || together.toLowerCase().includes(text.toLowerCase()) ? [{ entity: null }] : [];
      this.#options = [...all, ...found.items];
      this.#render(found.total - found.items.length, text);
    } catch (error) {
      if (asked === this.#asked) this.#render(0, text, error.message);
    }
  }

  #render(hidden, text, error = "") {
    const list = $("entity-list");
    const rows = this.#options.map((o, i) =>
      h(
        "li",
        { role: "option", id: `entity-${i}`, "aria-selected": String(o.entity === this.#entity), dataset: { index: i } },
        o.entity === null || o.entity === "" ? entityName(o.entity) : name(o.entity),
        o.phase === "warm-up" ? h("span", { class: "muted", text: `learning ${o.warmup_have}/${o.warmup_need}` }) : null,
      ),
    );
    if (error) rows.push(note(`The entities cannot be read: ${error}`));
    else if (rows.length === 0) rows.push(note(`No entity contains “${text}”.`));
    else if (hidden > 0) rows.push(note(`${count(hidden)} more: type a part of the name.`));
    list.replaceChildren(...rows);
    list.hidden = false;
    $("entity").setAttribute("aria-expanded", "true");
    this.#active = -1;
  }

  #keys(event) {
    const list = $("entity-list");
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      this.#close();
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault();
      const typed = this.#options.length === 1 || (this.#options.length > 1 && $("entity").value !== entityName(this.#entity));
      if (this.#active >= 0) this.#take(this.#active);
      else if (typed) this.#take(0);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) this.#open();
      else this.#move(event.key === "ArrowDown" ? 1 : -1);
    }
  }

  #move(by) {
    const n = this.#options.length;
    if (n === 0) return;
    this.#active = (this.#active + by + n + (this.#active < 0 && by < 0 ? 1 : 0)) % n;
    for (const option of $("entity-list").querySelectorAll("[data-index]")) {
      const active = Number(option.dataset.index) === this.#active;
      option.classList.toggle("active", active);
      if (active) option.scrollIntoView({ block: "nearest" });
    }
    $("entity").setAttribute("aria-activedescendant", `entity-${this.#active}`);
  }

  #take(index) {
    const option = this.#options[index];
    if (!option) return;
    this.#entity = option.entity;
    this.#close();
    this.#choose(option.entity);
  }
}

const note = (text) => h("li", { class: "muted note", role: "option", "aria-disabled": "true", "aria-selected": "false", text });
