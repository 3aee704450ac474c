// The suites of the incidents.

import { accessible, ask, assert, check, closeDetails, expectTrouble, noSidewaysScroll, open, painted, patience, quick, shot, url } from "./harness.mjs";

const rows = (page) => page.locator("#incident-list li");
const ids = (page) => page.locator("#incident-list button").evaluateAll((all) => all.map((b) => b.dataset.id));
const hash = (id) => `#/incidents/${encodeURIComponent(id)}`;
const stored = (page, id) => page.evaluate(async (of) => (await fetch(`api/incidents/${encodeURIComponent(of)}`)).json(), id);
const listed = (page, query) => page.evaluate(async (q) => (await (await fetch(`api/incidents?${q}`)).json()).items, query);

/** Waits until the dialog shows this state. */
const state = (page, status, options) => page.waitForSelector(`#incident[open] .pill[data-status="${status}"]`, options);
const told = (page, text) => page.waitForFunction((t) => document.querySelector("dialog[open] .judge-told")?.textContent.includes(t), text);
const held = (page, n) => page.waitForFunction((want) => document.querySelectorAll("dialog[open] .held li").length === want, n);
/** How far down the page the list begins. */
const place = (page) => page.evaluate(() => document.querySelector("#incidents").getBoundingClientRect().top + scrollY);
const close = (page) => closeDetails(page, "#incident");

/** An incident from its opening to its recovery, as somebody lives through it. */
export async function incidents() {
  let page;
  let id;
  await check("the header leads to the incidents", async () => {
    page = await open();
    await page.waitForSelector('#connection[data-state="live"]');
    await page.click("#to-incidents");
    await page.waitForSelector("#incidents-view:not([hidden])");
    assert(await page.locator("#live-view").isHidden(), "both views are shown");
    await page.waitForSelector("#incident-list li");
  });
  await check("an incident appears by itself", async () => {
    await page.waitForSelector("#waiting:not([hidden])"); // It is read by itself: the list may be there first.
    const before = await ids(page);
    const waiting = Number(await page.textContent("#waiting-count"));
    const top = await place(page);
    await ask("fault");
    await page.waitForFunction((old) => [...document.querySelectorAll("#incident-list button")].some((b) => !old.includes(b.dataset.id)), before);
    id = (await ids(page)).find((i) => !before.includes(i));
    const row = rows(page).filter({ has: page.locator(`button[data-id="${id}"]`) });
    assert((await row.locator(".pill").getAttribute("data-status")) === "open", "it is not open");
    await page.waitForFunction((n) => Number(document.querySelector("#waiting-count").textContent) === n, waiting + 1);
    await page.waitForSelector(`#timeline button[data-id="${id}"][data-status="open"]`);
    assert((await place(page)) === top, "the list has moved");
    await page.waitForTimeout(3000); // For the picture: let it last a little.
    await shot(page, "incidents-light");
    await accessible(page);
  });
  await check("the keyboard walks list and timeline and opens a detail", async () => {
    await page.locator("#incident-list button[tabindex='0']").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#incident[open] .bars tbody tr");
    assert((await page.evaluate(() => decodeURIComponent(location.hash.split("/")[2]))) === id, "another incident opened");
    await close(page);
    await page.waitForFunction((i) => document.activeElement?.dataset.id === i && document.activeElement.closest("#incident-list"), id);
    await page.locator("#timeline button[tabindex='0']").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#incident[open] #incident-title");
    await close(page);
    assert(await page.evaluate(() => location.hash === "#/incidents"), "the address was not restored");
  });
  await check("a deep link opens the detail: charts, sentence, contributions", async () => {
    page = await open(hash(id));
    await page.waitForFunction(() => document.querySelectorAll("#incident[open] .plot").length >= 2);
    const i = await stored(page, id);
    const got = await page.locator("#incident .bars tbody th").allTextContents();
    assert(i.features.length > 0 && JSON.stringify(got) === JSON.stringify(i.features.map((f) => f.feature)), `features shown: ${got}`);
    assert((await page.textContent("#incident-title")).includes(i.features[0].feature), "the sentence is another one");
    assert((await painted(page, "#incident")).every((n) => n > 3), "an empty chart");
    const first = await page.locator("#incident .plot h3").nth(1).textContent();
    assert(first === i.features[0].feature, `the first chart is that of ${first}`);
    await shot(page, "incident-light");
    await accessible(page);
  });
  await check("a comment and an acknowledgement", async () => {
    await page.click("#incident [data-action=comment]");
    await told(page, "Write a comment first");
    await page.fill("#incident textarea", "Looking into <b>it</b>.");
    await page.click("#incident [data-action=acknowledge]");
    await state(page, "acknowledged"); // It may come before the answer.
    await told(page, "Taken.");
    await page.waitForFunction(() => document.querySelector("#incident .history")?.textContent.includes("acknowledged it") && document.querySelector("#incident .history q")?.textContent === "Looking into <b>it</b>.");
    assert(await page.locator("#incident [data-action=acknowledge]").isHidden(), "it can be acknowledged again");
    assert((await page.inputValue("#incident textarea")) === "", "the comment stayed");
    assert((await stored(page, id)).status === "acknowledged", "the store does not know");
  });
  await check("a verdict is given, replaced and withdrawn", async () => {
    await page.selectOption("#incident .term select", "168");
    await page.click("#incident [data-verdict=noise]");
    await told(page, "Taken.");
    await held(page, 1);
    await page.click("#incident [data-verdict=expected]");
    await told(page, "It replaces");
    await page.waitForFunction(() => document.querySelector("#incident .held b")?.textContent === "Expected");
    await held(page, 1);
    const [verdict] = await page.evaluate(async (i) => (await (await fetch(`api/verdicts?state=in_force&incident=${encodeURIComponent(i)}`)).json()).items, id);
    const days = (Date.parse(verdict.until) - Date.parse(verdict.to)) / 86400000;
    assert(Math.abs(days - 7) < 0.01 && verdict.guilty.length > 0, `it holds for ${days} days, guilty: ${verdict.guilty}`);
    await page.locator("#incident .judge").scrollIntoViewIfNeeded();
    await shot(page, "incident-verdict");
    await close(page);
    const silence = page.locator("#verdict-list li").filter({ hasText: "web-2" });
    await silence.waitFor();
    await silence.getByRole("button", { name: "incident", exact: true }).click();
    await held(page, 1);
    await page.click("#incident .held button");
    await held(page, 0);
    assert((await stored(page, id)).verdict === "", "the incident is still judged");
    await close(page);
    await silence.waitFor({ state: "detached" });
    const window = await page.locator("#window-list li").innerText();
    assert(/<b>backup<\/b> for server_metrics\s+For 2h at 0 2 \* \* \* \(Europe\/Berlin\)\s+In the configuration: maintenance.0$/.test(window), `the maintenance window reads ${window}`);
  });
  await check("its recovery shows by itself", async () => {
    await page.goto(`${url}/${hash(id)}`);
    await state(page, "acknowledged");
    await page.fill("#incident textarea", "half a sentence");
    await ask("heal");
    await state(page, "recovered");
    assert(await page.locator("#incident [data-action=resolve]").isHidden(), "an ended incident can be resolved");
    assert((await page.inputValue("#incident textarea")) === "half a sentence", "what was being written is gone");
    await page.waitForFunction(() => document.querySelector("#incident .figures").textContent.includes("Lasted"));
    await close(page);
    await page.waitForSelector(`#timeline button[data-id="${id}"][data-status="recovered"]`);
  });
  await check("one is resolved by hand", async () => {
    const before = await ids(page);
    await ask("fault");
    await page.waitForFunction((old) => [...document.querySelectorAll("#incident-list button")].some((b) => !old.includes(b.dataset.id)), before);
    await page.locator(`#incident-list button[data-id="${(await ids(page)).find((i) => !before.includes(i))}"]`).click();
    await page.click("#incident [data-action=resolve]");
    await state(page, "resolved");
    await ask("heal");
    await close(page);
  });
  await check("a group shows its members, and they show it", async () => {
    const group = (await listed(page, "kind=group")).find((g) => g.anomalies > 0); // The other one is of silences.
    await page.goto(`${url}/${hash(group.id)}`);
    await page.waitForSelector("#incident[open] .members tbody tr");
    const members = await page.locator("#incident .members tbody th").allTextContents();
    assert(JSON.stringify(members) === JSON.stringify(group.members.map((m) => m.entity)), `members shown: ${members}`);
    await page.locator("#incident .members").scrollIntoViewIfNeeded();
    await shot(page, "incident-group");
    await page.locator("#incident .members button").first().click();
    await page.waitForFunction((m) => location.hash.endsWith(encodeURIComponent(m)), group.members[0].incident);
    await page.getByRole("button", { name: "The incident of the whole stream" }).click();
    await page.waitForSelector("#incident[open] .members tbody tr");
    assert(!(await ids(page)).includes(group.members[0].incident), "the list holds a member beside its group");
  });
  await check("an anomaly leads back to its incident, and is judged too", async () => {
    const at = await page.evaluate(() => location.hash);
    await page.click("#incident .worst");
    await page.waitForSelector("#detail[open] .judge");
    assert(await page.locator("#incident").isHidden(), "two dialogs are open");
    await page.click("#detail [data-verdict=real]");
    await held(page, 1);
    await page.locator("#detail .judge").scrollIntoViewIfNeeded();
    await shot(page, "anomaly-verdict");
    await page.click("#detail .held button");
    await held(page, 0);
    await page.keyboard.press("Escape");
    await page.waitForSelector("#incident[open] .members");
    assert((await page.evaluate(() => location.hash)) === at, "the address is another one");
    await page.getByRole("button", { name: "Show in the live charts" }).click();
    await page.waitForSelector("#live-view:not([hidden])");
    await page.waitForFunction(() => document.querySelector("#watch-title").textContent === "server_metrics");
    await page.goBack();
    await page.waitForSelector("#incident[open]");
    await close(page);
  });
  await check("a verdict on a silence does not promise what models do", async () => {
    await page.evaluate((to) => (location.hash = to), hash("iot_sensors-silent"));
    await page.waitForSelector("#incident[open] .verdicts");
    const texts = await page.locator("#incident .verdict .muted").allTextContents();
    assert(texts[1].includes("told all the same") && texts[2].includes("Changes nothing"), `it says ${texts}`);
    await close(page);
  });
  await check("the filters select", async () => {
    const top = await place(page);
    await page.locator("#incident-filters input[value='ended']").check({ force: true });
    await page.waitForFunction(() => [...document.querySelectorAll("#incident-list .pill")].every((p) => ["resolved", "recovered"].includes(p.dataset.status)));
    await page.selectOption("#incident-filters [name=kind]", "silent");
    await page.waitForFunction(() => document.querySelector("#incidents-empty:not([hidden])")?.textContent.includes("matches this filter"));
    await page.waitForFunction(() => document.querySelector("#timeline .empty") !== null);
    assert((await place(page)) === top, "the list has moved");
    await page.locator("#incident-filters input[value='open']").check({ force: true });
    await page.waitForFunction(() => document.querySelectorAll("#incident-list li").length === 1);
    await page.selectOption("#incident-filters [name=kind]", "group");
    await page.waitForFunction(() => document.querySelector("#incident-list .row-score")?.textContent === "Silent sources · still silent");
    await page.click("#incident-filters-clear");
    await page.selectOption("#incident-filters [name=stream]", "transactions");
    await page.waitForFunction(() => document.querySelectorAll("#timeline .lane").length === 1 && document.querySelector("#timeline .lane-name").textContent === "transactions");
    await page.selectOption("#incident-filters [name=span]", "1");
    await page.waitForFunction(() => document.querySelectorAll("#incident-list li").length > 0);
    await page.click("#incident-filters-clear");
    await page.waitForFunction(() => document.querySelectorAll("#timeline .lane").length > 2);
    assert((await page.locator("#incidents-view img, #incidents-view b img").count()) === 0, "a name became markup");
  });
  await check("dark colours, accessible too", async () => {
    await page.locator("#theme input[value='dark']").check({ force: true });
    await accessible(page);
    await shot(page, "incidents-dark");
    await rows(page).first().locator("button").click();
    await page.waitForFunction(() => document.querySelectorAll("#incident[open] .plot").length >= 2);
    await accessible(page);
    await shot(page, "incident-dark");
    await page.context().close();
  });
  await check("fits a phone", async () => {
    const phone = await open("#/incidents", { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
    await phone.waitForSelector("#incident-list li");
    await noSidewaysScroll(phone);
    await shot(phone, "phone-incidents");
    await rows(phone).first().locator("button").tap();
    await phone.waitForFunction(() => document.querySelectorAll("#incident[open] .plot").length >= 2);
    await noSidewaysScroll(phone);
    assert((await phone.evaluate(() => document.querySelector("#incident").scrollWidth - document.querySelector("#incident").clientWidth)) <= 0, "the detail scrolls sideways");
    await shot(phone, "phone-incident");
    const small = await phone.locator("#incident .acts button:visible, #incident .verdict").evaluateAll((all) => all.filter((b) => b.getBoundingClientRect().height < 44).length);
    assert(small === 0, `${small} buttons are too small for a finger`);
    await phone.context().close();
  });
  await check("stays small and quick under thousands of incidents", async () => {
    const busy = await open("#/incidents");
    await busy.waitForSelector("#incident-list li");
    await ask("storm");
    await busy.waitForFunction(() => document.querySelector("#incidents-count").textContent === "1,000 incidents");
    assert((await rows(busy).count()) <= 50, "every incident is in the list");
    assert((await busy.textContent("#waiting-count")) === "99+", "the header counts them all");
    const started = Date.now();
    await rows(busy).first().locator("button").click();
    await busy.waitForSelector("#incident[open] #incident-title");
    assert(Date.now() - started < quick, "the page does not answer");
    await close(busy);
    await busy.context().close();
  });
  await check("says so while the store is away, and comes back by itself", async () => {
    expectTrouble(true);
    await ask("break");
    const away = await open("#/incidents");
    await away.waitForFunction(() => document.querySelector("#incidents-empty").textContent.includes("tried again"));
    await ask("mend");
    await away.waitForFunction(() => document.querySelectorAll("#incident-list li").length > 0);
    await away.waitForTimeout(500);
    expectTrouble(false);
    await away.context().close();
  });
}

/** What people of each role may do about an incident. */
export async function roles() {
  const signIn = async (page, token) => {
    await page.waitForSelector("#access[open]");
    await page.fill("#access-token", token);
    await page.click("#access-form button[type=submit]");
    await page.waitForSelector("#access", { state: "hidden" });
    await page.waitForSelector("#incident-list li");
  };
  const buttons = "#incident .judge button, #verdict-list .quiet, #incident textarea";
  const visit = async (token) => {
    const page = await open("#/incidents");
    await signIn(page, token);
    await page.locator("#verdict-list li").first().getByRole("button", { name: "incident", exact: true }).click();
    await page.waitForSelector("#incident[open] .held li");
    return page;
  };
  await check("a reader sees what was said, and nothing to press", async () => {
    const page = await visit(process.env.READER);
    assert((await page.locator(buttons).count()) === 0, "a reader may write");
    await page.context().close();
  });
  await check("who may send events may judge", async () => {
    const page = await visit(process.env.WRITER);
    assert((await page.locator(buttons).count()) > 5, "a writer may not write");
    await page.click("#incident [data-verdict=real]");
    await page.waitForFunction(() => document.querySelector("#incident .held")?.textContent.includes("writer"));
    await page.context().close();
  });
}

/** Incidents of the running system, which come and go by themselves. */
export async function demo() {
  let page;
  let id;
  await check("a fault becomes an incident", async () => {
    page = await open("#/incidents");
    await page.waitForSelector("#incidents-view:not([hidden])");
    await page.locator("#incident-filters input[value='open']").check({ force: true });
    await page.waitForSelector("#incident-filters-clear:not([hidden])"); // It moves the list, and a click must not meet it there.
    await page.waitForSelector("#incident-list li", { timeout: 3 * patience });
  });
  await check("it is acknowledged, and recovers", async () => {
    for (let attempt = 0; !id; attempt++) {
      assert(attempt < 20, "no incident lasted long enough to acknowledge it");
      // In one step each: the list moves while incidents come and go.
      await page.waitForFunction(() => {
        const newest = document.querySelector("#incident-list button");
        newest?.click();
        return newest !== null;
      }, null, { timeout: 2 * patience });
      // It may end at any moment: then the button goes, or the server refuses.
      const pressed = await page.waitForFunction(() => {
        const button = document.querySelector("#incident[open] [data-action=acknowledge]");
        if (button && !button.hidden) button.click();
        return button && { pressed: !button.hidden };
      }).then(async (handle) => (await handle.jsonValue()).pressed);
      if (pressed) await page.waitForFunction(() => document.querySelector("#incident .judge-told").textContent !== "");
      if (pressed && (await page.textContent("#incident .judge-told")) === "Taken.") id = await page.evaluate(() => decodeURIComponent(location.hash.split("/")[2]));
      else await close(page);
    }
    await page.waitForFunction(() => document.querySelector("#incident .history")?.textContent.includes("acknowledged it"));
    await state(page, "recovered", { timeout: 2 * patience });
    await page.waitForFunction(() => document.querySelectorAll("#incident .plot").length >= 2);
    await shot(page, "demo-incident");
    const i = await stored(page, id);
    assert(i.acknowledged_at !== null && i.ended_at !== null && i.end !== null, `stored: ${JSON.stringify(i)}`);
  });
  await check("a verdict is given and withdrawn", async () => {
    await page.fill("#incident textarea", "The simulation does this.");
    await page.click("#incident [data-verdict=noise]");
    await held(page, 1);
    await page.waitForFunction(() => [...document.querySelectorAll("#incident .tag")].some((tag) => tag.textContent === "Noise"));
    await page.click("#incident .held button");
    await held(page, 0);
    await page.waitForFunction(() => ![...document.querySelectorAll("#incident .tag")].some((tag) => tag.textContent === "Noise"));
    await close(page);
    await page.locator("#incident-filters input[value='']").press("Space");
    await page.waitForSelector('#timeline button[data-status="recovered"]');
    await page.waitForTimeout(1500); // For the picture: the timeline settles.
    await shot(page, "demo-incidents");
  });
}
