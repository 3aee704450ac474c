// Lists of buttons with one stop for the tab key: arrows, Home, End and the page keys walk through them.

const page = 8; // Buttons that a page key passes.

/** The buttons of a list, in order. */
const buttonsOf = (list) => [...list.querySelectorAll("button[data-id]")];

/** Makes the list's buttons one tab stop. Call settle after its buttons have changed. */
export function rove(list) {
  list.addEventListener("keydown", (event) => {
    const buttons = buttonsOf(list);
    const at = buttons.indexOf(document.activeElement);
    const to = {
      ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1,
      Home: 0, End: buttons.length - 1, PageDown: at + page, PageUp: at - page,
    }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, to))];
    for (const b of buttons) b.tabIndex = b === next ? 0 : -1;
    next.focus();
  });
}

/** Sees to it that one of the buttons can be reached by the tab key. */
export function settle(list) {
  const buttons = buttonsOf(list);
  if (buttons.length > 0 && !buttons.some((b) => b.tabIndex === 0)) buttons[0].tabIndex = 0;
}
