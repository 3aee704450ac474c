// Drives the live page in Chromium: node page.mjs SUITE URL. It prints one JSON line for each check, {check, error}, and
// {ask} when the test shall do something with the server or the world; the test answers each request with a line.

import { finish, suite } from "./harness.mjs";
import * as incidents from "./incidents.mjs";
import * as live from "./live.mjs";

await { ...live, ...incidents }[suite]();
await finish();
process.exit(0);
