// The suites of the live view.

import { accessible, ask, assert, check, closeDetails, expectTrouble, noSidewaysScroll, open, painted, patience, quick, shot, url } from "./harness.mjs";

const rows = (page) => page.locator("#list li");
const close = (page) => closeDetails(page, "#detail");
const first = (page) => rows(page).first().locator("button");

export async function page() {
  let page;
  await check("connects and shows every stream", async () => {
    page = await open();
    await page.waitForSelector('#connection[data-state="live"]');
    await page.waitForFunction(() => document.querySelectorAll("#cards li").length > 0);
    const known = await page.evaluate(async () => (await (await fetch("api/streams")).json()).items.map((s) => s.name));
    const shown = await page.locator("#cards h3").allTextContents();
    assert(JSON.stringify(shown) === JSON.stringify(known), `cards show ${shown}, the server has ${known}`);
  });
  await check("an anomaly appears live", async () => {
    const before = new Set(await page.locator("#list button").evaluateAll((all) => all.map((b) => b.dataset.id)));
    await page.waitForFunction((old) => [...document.querySelectorAll("#list button")].some((b) => !old.includes(b.dataset.id)), [...before], { timeout: 2 * patience });
  });
  await check("charts draw and count events", async () => {
    await page.waitForFunction(() => document.querySelectorAll(".plot").length >= 2);
    const colours = await painted(page);
    assert(colours.every((n) => n > 3), `colours drawn in each chart: ${colours}`);
    await page.waitForFunction(() => Number.parseFloat(document.querySelector("#total-rate").textContent) > 0);
    await page.waitForTimeout(1500); // For the picture: let the cards fill.
    await shot(page, "overview-light");
  });
  await check("accessible in light colours", () => accessible(page));
  await check("hovering reads a value, dragging zooms, the button goes back", async () => {
    const over = page.locator(".plot .u-over").nth(1);
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2);
    await page.waitForFunction(() => /at .*\d\d:\d\d/.test(document.querySelectorAll(".plot-value")[1].textContent));
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.85, box.y + box.height / 2, { steps: 5 });
    await page.mouse.up();
    await page.waitForSelector("#zoom-reset:not([hidden])");
    await page.click("#zoom-reset");
    await page.waitForSelector("#zoom-reset", { state: "hidden" });
  });
  await check("the keyboard walks the list and opens a detail with contributions", async () => {
    await page.locator("#list button[tabindex='0']").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#detail[open] .bars tbody tr");
    const id = await page.evaluate(() => decodeURIComponent(location.hash.split("/")[2]));
    const stored = await page.evaluate(async (of) => (await fetch(`api/anomalies/${encodeURIComponent(of)}`)).json(), id);
    const want = stored.explanation.contributions.map((c) => c.feature);
    const got = await page.locator("#detail .bars tbody th").allTextContents();
    assert(want.length > 0 && JSON.stringify(got) === JSON.stringify(want), `contributions shown: ${got}, stored: ${want}`);
    assert((await page.textContent("#detail-title")) === stored.explanation.sentence, "the sentence is another one");
    assert((await page.locator("#detail .votes tbody tr").count()) === stored.detectors.length, "votes are missing");
    assert((await page.locator("#detail .bars .bar").first().boundingBox()).width > 20, "the largest contribution has no bar");
    await shot(page, "detail-light");
    await accessible(page);
    await close(page);
    assert(await page.evaluate(() => document.activeElement.closest("#list") !== null), "the focus did not return to the list");
  });
  await check("a detail leads to its entity in the charts", async () => {
    await first(page).click();
    await page.click("#detail .primary");
    await page.waitForSelector("#detail", { state: "hidden" });
    const at = await page.evaluate(() => location.hash.split("/").map(decodeURIComponent));
    assert(at[1] === "stream" && (await page.textContent("#watch-title")) === at[2], `at ${at}`);
    await page.waitForFunction(() => document.querySelectorAll(".plot").length >= 2);
    await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
  });
  await check("a deep link opens the detail", async () => {
    const id = await first(page).getAttribute("data-id");
    const other = await open(`#/anomaly/${encodeURIComponent(id)}`);
    await other.waitForSelector("#detail[open] .bars tbody tr");
    await other.context().close();
  });
  await check("the filter hides and shows", async () => {
    const streams = await page.locator("#filters select option").evaluateAll((all) => all.map((o) => o.value).filter(Boolean));
    const sentence = await rows(page).first().locator(".row-where bdi").last().textContent();
    await page.selectOption("#filters select", sentence);
    await page.waitForFunction((s) => [...document.querySelectorAll("#list .row-where")].every((w) => w.lastElementChild.textContent.includes(s)), sentence);
    assert(streams.length > 0 && (await rows(page).count()) > 0, "the filter left nothing");
    await page.fill("#filters [name=entity]", "no such entity anywhere");
    await page.waitForFunction(() => document.querySelector("#list-empty:not([hidden])")?.textContent.includes("matches this filter"));
    await page.click("#filters-clear");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length > 0);
    await page.locator("#filters [name=min_score]").focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => [...document.querySelectorAll("#list .row-score b")].every((b) => Number(b.textContent) >= 0.8));
    await page.click("#filters-clear");
  });
  await check("longer spans draw", async () => {
    await page.locator("#range input[value='60']").check({ force: true });
    await page.waitForFunction(() => document.querySelectorAll(".plot").length >= 2);
    assert((await painted(page)).every((n) => n > 3), "an empty chart");
    await page.locator("#range input[value='live']").check({ force: true });
  });
  await check("dark colours, accessible too", async () => {
    await page.evaluate(() => scrollTo(0, 0));
    await page.locator("#theme input[value='dark']").check({ force: true });
    await accessible(page);
    await shot(page, "overview-dark");
    await first(page).click();
    await page.waitForSelector("#detail[open] .bars");
    await shot(page, "detail-dark");
    await close(page);
    await page.reload();
    assert((await page.evaluate(() => document.documentElement.dataset.theme)) === "dark", "the choice was forgotten");
  });
  await check("fits a phone", async () => {
    const phone = await open("", { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
    await phone.waitForSelector("#list li");
    await phone.waitForFunction(() => document.querySelectorAll(".plot").length >= 2);
    await noSidewaysScroll(phone);
    await phone.waitForTimeout(3000); // For the picture: let the cards fill.
    await shot(phone, "phone");
    await phone.locator("#watch").scrollIntoViewIfNeeded();
    await phone.evaluate(() => document.querySelector("#watch").scrollIntoView({ behavior: "instant" }));
    await phone.waitForTimeout(300);
    await shot(phone, "phone-charts");
    await first(phone).tap();
    await phone.waitForSelector("#detail[open] .bars");
    await noSidewaysScroll(phone);
    assert((await phone.evaluate(() => document.querySelector("#detail").scrollWidth - document.querySelector("#detail").clientWidth)) <= 0, "the detail scrolls sideways");
    await shot(phone, "phone-detail");
    await phone.context().close();
  });
}

export async function world() {
  let page;
  const hostile = async () => page.evaluate(async () => (await (await fetch("api/streams")).json()).items.map((s) => s.name).find((n) => n.includes("<img")));
  await check("warm-up tells how far it is", async () => {
    page = await open("#/stream/iot_sensors/-");
    await page.waitForSelector("#warmup:not([hidden])");
    const text = await page.textContent("#warmup-text");
    assert(/\d+\/200 events, ready in about \d+/.test(text), text);
    await page.waitForTimeout(5000); // For the picture: the first points of the chart.
    await shot(page, "warm-up");
  });
  await check("hostile names stay text", async () => {
    const name = await hostile();
    assert((await page.locator("#cards h3").allTextContents()).includes(name), "the card shows another name");
    await page.goto(`${url}/#/stream/${encodeURIComponent(name)}`);
    await page.waitForFunction((n) => document.querySelector("#watch-title").textContent === n, name);
    await page.waitForFunction(() => [...document.querySelectorAll(".plot h3")].some((e) => e.textContent === "<b>value</b>"));
    await page.click("#entity");
    await page.waitForFunction((n) => [...document.querySelectorAll("#entity-list li")].some((e) => e.textContent === n), name);
    assert((await page.locator("main img, main script, #entity-list script").count()) === 0, "a name became markup");
    await page.keyboard.press("Escape");
    await noSidewaysScroll(page);
    await shot(page, "hostile");
  });
  await check("one entity among many is found by typing", async () => {
    await page.goto(`${url}/#/stream/transactions`);
    await page.waitForFunction(() => document.querySelector("#watch-title").textContent === "transactions");
    await page.click("#entity");
    await page.waitForSelector("#entity-list li");
    assert((await page.locator("#entity-list li").count()) <= 45, "too many entities are listed");
    await page.fill("#entity", "card-00021");
    await page.waitForFunction(() => document.querySelectorAll("#entity-list [data-index]").length === 1);
    await shot(page, "picker");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash === "#/stream/transactions/card-00021");
  });
  await check("what is silenced can be listed and left out", async () => {
    await page.waitForSelector("#list li");
    await page.selectOption("#filters [name=suppressed]", "true");
    await page.waitForFunction(() => {
      const all = [...document.querySelectorAll("#list .row-score")];
      return all.length > 0 && all.every((s) => s.textContent.endsWith("silenced by the maintenance window night"));
    });
    await page.selectOption("#filters [name=suppressed]", "false");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length > 0 && !document.querySelector("#list").textContent.includes("silenced"));
    await page.click("#filters-clear");
  });
  await check("an anomaly can be deleted", async () => {
    await page.goto(`${url}/#/stream/server_metrics/db-1`);
    const id = await rows(page).nth(5).locator("button").getAttribute("data-id");
    await page.click(`#list button[data-id="${id}"]`); // By its name: anomalies that come meanwhile move the list.
    await page.click("#detail button.danger");
    await shot(page, "delete");
    await page.click("#confirm-yes");
    await page.waitForSelector("#detail", { state: "hidden" });
    await page.waitForFunction((gone) => ![...document.querySelectorAll("#list button")].some((b) => b.dataset.id === gone), id);
    const status = await page.evaluate(async (of) => (await fetch(`api/anomalies?limit=1000`)).json().then((l) => l.items.some((a) => a.id === of)), id);
    assert(!status, "the store still has it");
  });
  await check("resumes after the server restarts", async () => {
    await page.waitForSelector('#connection[data-state="live"]');
    const before = await page.evaluate(async () => (await (await fetch("api/anomalies?limit=1&min_score=0.6")).json()).items[0].id);
    expectTrouble(true);
    await ask("stop");
    await page.waitForSelector('#connection[data-state="reconnecting"]');
    await shot(page, "reconnecting");
    await ask("start");
    await page.waitForSelector('#connection[data-state="live"]');
    const missed = await page.evaluate(async (last) => {
      const { items } = await (await fetch("api/anomalies?limit=1000&min_score=0.6")).json(); // What the list shows.
      return items.slice(0, items.findIndex((a) => a.id === last)).map((a) => a.id);
    }, before);
    assert(missed.length > 0, "nothing happened while the server was away: the check proves nothing");
    await page.waitForFunction((ids) => {
      const shown = new Set([...document.querySelectorAll("#list button")].map((b) => b.dataset.id));
      return ids.every((id) => shown.has(id));
    }, missed.slice(0, 90));
    const ids = await page.locator("#list button").evaluateAll((all) => all.map((b) => b.dataset.id));
    assert(new Set(ids).size === ids.length, "an anomaly is listed twice");
    await page.waitForTimeout(1500); // Requests that were under way when it stopped have failed by now.
    expectTrouble(false);
  });
}

export async function trouble() {
  await check("says so while the store is away, and comes back by itself", async () => {
    expectTrouble(true);
    await ask("break");
    const page = await open("#/stream/server_metrics/db-1");
    await page.waitForFunction(() => document.querySelector("#list-empty").textContent.includes("tried again"));
    await page.waitForFunction(() => document.querySelector("#charts-empty").textContent.includes("tried again"));
    await shot(page, "store-away");
    await ask("mend");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length > 0 && document.querySelectorAll(".plot").length > 1);
    await page.waitForTimeout(500);
    expectTrouble(false);
    await page.context().close();
  });
  await check("stays small and quick under thousands of anomalies", async () => {
    const page = await open("#/stream/server_metrics/db-1");
    await page.waitForSelector("#list li");
    await ask("flood");
    await page.waitForFunction(() => document.querySelector("#anomalies-count").textContent === "1,000 anomalies");
    assert((await rows(page).count()) <= 100, "every anomaly is in the page");
    const started = Date.now();
    await first(page).click();
    await page.waitForSelector("#detail[open] .bars");
    assert(Date.now() - started < quick, "the page does not answer");
    await close(page);
    await shot(page, "flood");
  });
}

export async function access() {
  let page;
  const signIn = async (token) => {
    await page.fill("#access-token", token);
    await page.click("#access-form button[type=submit]");
  };
  await check("asks for a token and refuses a wrong one", async () => {
    page = await open();
    await page.waitForSelector("#access[open]");
    await signIn("wrong");
    await page.waitForFunction(() => document.querySelector("#access-error").textContent.includes("does not know"));
    await accessible(page);
    await shot(page, "sign-in");
  });
  await check("a reader sees everything and no delete button", async () => {
    await signIn(process.env.READER);
    await page.waitForSelector("#access", { state: "hidden" });
    await page.waitForSelector('#connection[data-state="live"]');
    await first(page).click();
    await page.waitForSelector("#detail[open] .bars");
    assert((await page.locator("#detail button.danger").count()) === 0, "a reader may delete");
    await close(page);
  });
  await check("an admin may delete", async () => {
    await page.click("#access-button");
    await signIn(process.env.ADMIN);
    await page.waitForFunction(() => document.querySelector("#access-button").textContent.includes("admin"));
    await first(page).click();
    await page.waitForSelector("#detail button.danger");
    await close(page);
  });
  await check("a link from a message waits for the sign-in and then shows its details", async () => {
    for (const [path, dialog] of [["anomalies", "#detail"], ["incidents", "#incident"]]) {
      const id = await page.evaluate(async ([p, token]) => (await (await fetch(`api/${p}?limit=1`, { headers: { Authorization: `Bearer ${token}` } })).json()).items[0].id, [path, process.env.ADMIN]);
      const other = await open(`#/${path === "incidents" ? path : "anomaly"}/${encodeURIComponent(id)}`);
      await other.waitForSelector("#access[open]");
      await other.waitForTimeout(500); // Nothing may come over it.
      assert((await other.locator("dialog[open]").count()) === 1, "another dialog covers the sign-in");
      await other.fill("#access-token", process.env.ADMIN);
      await other.click("#access-form button[type=submit]");
      await other.waitForSelector(`${dialog}[open] button.verdict`);
      await other.context().close();
    }
  });
  await check("the token lives in this tab only", async () => {
    const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie].join());
    assert(!kept.includes(process.env.ADMIN), "the token is stored beyond the tab");
    await page.reload();
    await page.waitForFunction(() => document.querySelector("#access-button").textContent.includes("admin"));
  });
}
