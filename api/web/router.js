// The address after the hash: what the page shows, so that a link or the back button restores it.
//
//	#/                           nothing chosen
//	#/stream/NAME                a stream, all entities together
//	#/stream/NAME/ENTITY         one entity; "-" is the stream's own detector
//	#/anomaly/ID                 an anomaly's details over whatever is shown
//	#/incidents                  the incidents
//	#/incidents/ID               an incident's details over them

const part = encodeURIComponent;

function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A hand-written address with a stray percent sign.
  }
}

export const streamHash = (stream, entity) =>
  `#/stream/${part(stream)}${entity === null ? "" : `/${entity === "" ? "-" : part(entity)}`}`;

export const anomalyHash = (id) => `#/anomaly/${part(id)}`;

export const incidentsHash = "#/incidents";

export const incidentHash = (id) => `${incidentsHash}/${part(id)}`;

/**
 * Reads the address: {view: "home"}, {view: "stream", stream, entity: string|null}, {view: "anomaly", id},
 * {view: "incidents"} or {view: "incident", id}.
 */
export function here() {
  const [, view, ...rest] = location.hash.split("/");
  if (view === "anomaly" && rest[0]) return { view, id: plain(rest.join("/")) };
  if (view === "incidents") return rest[0] ? { view: "incident", id: plain(rest.join("/")) } : { view };
  if (view === "stream" && rest[0]) {
    const entity = rest.length < 2 ? null : rest[1] === "-" ? "" : plain(rest[1]);
    return { view, stream: plain(rest[0]), entity };
  }
  return { view: "home" };
}

/** Changes the address without leaving a step for the back button, and without calling anyone. */
export const replace = (hash) => history.replaceState(history.state, "", hash);
