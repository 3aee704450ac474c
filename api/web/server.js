// Talking to the server: REST with problems as errors, and the token that this tab holds.

const tokenKey = "anomalystream.token";

/** An answer of the server that is not a success. */
export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function stored() {
  try {
    return sessionStorage.getItem(tokenKey) ?? "";
  } catch {
    return "";
  }
}

let current = stored();

export const token = () => current;

export function setToken(value) {
  current = value;
  try {
    if (value) sessionStorage.setItem(tokenKey, value);
    else sessionStorage.removeItem(tokenKey);
  } catch {
    // Without storage the token lives until the page is left.
  }
}

/** The address of a path of this server, also behind a proxy that serves us below another path. */
export function address(path, query = {}) {
  const url = new URL(path, document.baseURI);
  url.hash = "";
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

async function request(method, path, query, { signal, body: sent } = {}) {
  const headers = { Accept: "application/json" };
  if (sent) headers["Content-Type"] = "application/json";
  if (current) headers.Authorization = `Bearer ${current}`;
  let answer;
  try {
    answer = await fetch(address(path, query), { method, headers, signal, body: sent && JSON.stringify(sent), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "the server cannot be reached");
  }
  if (answer.status === 204) return null;
  let body = null;
  try {
    body = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (!answer.ok) throw new ServerError(answer.status, body?.detail || body?.title || `the server answered ${answer.status}`);
  if (body === null) throw new ServerError(answer.status, "the server's answer cannot be read");
  return body;
}

export const get = (path, query, options) => request("GET", path, query, options);
export const post = (path, body) => request("POST", path, {}, { body });
export const remove = (path) => request("DELETE", path);
export const part = (text) => encodeURIComponent(text);
