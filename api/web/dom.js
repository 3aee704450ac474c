// Building and finding elements. Text always enters the page as text nodes, so names from outside can never become markup.

/** Returns the element with this id. */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element. Props: class, text, dataset (object), on* (listener), style (object of CSS properties); true sets an
 * empty attribute, false, null and undefined set none. Children are nodes or strings.
 */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") el.className = value;
    else if (name === "text") el.textContent = value;
    else if (name === "dataset") Object.assign(el.dataset, value);
    else if (name === "style") for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

/** Isolates a name from the text around it: one written right to left must not turn the sentence around. */
export const name = (text, props = {}) => h("bdi", { text, ...props });

/** Sets text only when it differs, so that nothing is announced or laid out again without need. */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/** Offers these values in a select, after its first option; what is chosen stays where it is still there. */
export function offer(select, values) {
  const [first, ...others] = select.options;
  if (others.map((o) => o.value).join("\0") === values.join("\0")) return;
  const chosen = select.value;
  select.replaceChildren(first, ...values.map((v) => h("option", { value: v, text: v })));
  select.value = values.includes(chosen) ? chosen : "";
}

/** Runs a function at most once per animation frame, and also while the page is hidden, but then once a second. */
export function batched(run) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const go = () => {
      waiting = false;
      run();
    };
    if (document.hidden) setTimeout(go, 1000);
    else requestAnimationFrame(go);
  };
}

/** Delays a function until it has not been called for this many milliseconds. */
export function debounced(run, ms) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), ms);
  };
}
