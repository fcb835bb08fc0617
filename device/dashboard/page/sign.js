// Decides what the driver's sign says. Nothing here touches the document.

import { list, number, object, share, text } from "./values.js";

const SIGNS = {
  attentive: ["Attentive", ""],
  road: ["Look at the road", ""],
  closed: ["Eyes closed", ""],
  drowsy: ["Drowsy", "Take a break."],
  noface: ["No face", "Nobody is in view of the camera."],
  unmeasured: ["Not measured", ""],
  offline: ["Offline", ""],
};
const FAR = "The face is too far, turned away or dark.";
const RARE = "The face is looked at too rarely to tell.";
const OFF = "To measure attention, set device.attention.enabled: true and restart the device.";
const GROUPS = "This device publishes groups only, so nobody's attention is known.";

/**
 * The sign for a snapshot.
 *
 * @param everMeasured whether attention was measured at some time since the page was opened.
 * @returns {{key: string, text: string, note: string}} key: one of `SIGNS`.
 */
export function signFor(snapshot, situation, everMeasured) {
  if (situation.old || situation.key !== "live") return sign("offline", situation.sentence, situation.word);
  if (object(snapshot.status).aggregate === true) return sign("unmeasured", GROUPS);
  const driver = driverOf(snapshot);
  if (driver === null) return sign("noface");
  const attention = object(driver.attention);
  if (attention.eyes_closed === true) return sign("closed");
  if (isDrowsy(snapshot, driver)) return sign("drowsy");
  if (attention.looking_away === true) return sign("road");
  if (attention.looking_away === false) return sign("attentive");
  if (isMeasured(attention)) return sign("unmeasured", RARE);
  return sign(
    "unmeasured",
    everMeasured || driver.attention ? FAR : `${FAR.slice(0, -1)}, or attention is off. ${OFF}`,
  );
}

function sign(key, note = SIGNS[key][1], words = SIGNS[key][0]) {
  return { key, text: words, note };
}

/** Whether something is known of a face's attention. */
export const isMeasured = (attention) =>
  share(attention.facing) !== null ||
  typeof attention.looking_away === "boolean" ||
  typeof attention.eyes_closed === "boolean";

/** The face nearest to the camera, which has the largest box; null if there is none. */
export function driverOf(snapshot) {
  const size = (track) => (number(list(track.box)[2]) ?? 0) * (number(list(track.box)[3]) ?? 0);
  const tracks = list(snapshot.tracks).map(object);
  return tracks.reduce((best, track) => (best === null || size(track) > size(best) ? track : best), null);
}

const isDrowsy = (snapshot, driver) =>
  episodes(snapshot.alerts).some(({ kind, track, open }) => kind === "drowsy" && open && track === driver.track);

/**
 * Alerts as episodes, newest first: {kind, track, startS, durationS, open}.
 *
 * @param alerts newest first; a start and an end of the same face and kind are one episode.
 */
export function episodes(alerts) {
  const ended = new Map(); // kind and track -> an episode whose start is not found yet
  const found = [];
  for (const each of list(alerts).map(object)) {
    const alert = { ...each, ...object(each.alert) };
    const [kind, ts] = [text(alert.kind), number(alert.ts)];
    if (kind === null || ts === null) continue;
    const key = `${kind} ${alert.track}`;
    const durationS = number(alert.duration_s);
    if (alert.phase === "end") {
      const episode = { kind, track: alert.track, startS: ts - (durationS ?? 0), durationS, open: false };
      ended.set(key, episode);
      found.push(episode);
    } else if (ended.has(key)) {
      ended.delete(key); // its end is in the list
    } else {
      found.push({
        kind,
        track: alert.track,
        startS: ts,
        durationS: null,
        open: !found.some(sameFace(kind, alert.track)),
      });
    }
  }
  return found;
}

const sameFace = (kind, track) => (other) => other.kind === kind && other.track === track;
