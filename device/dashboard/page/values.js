// Reads fields of messages, which may be absent, of another version or forged, and writes them for people.

const MAX_TEXT = 200; // characters; longer text is cut

/** A finite number, else null. */
export const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** A text, cut if it is long; else null. */
export function text(value) {
  if (typeof value !== "string" || value === "") return null;
  return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
}

/** An object, else an empty one. */
export const object = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});

/** A list, else an empty one. */
export const list = (value) => (Array.isArray(value) ? value : []);

/** A share 0..1, else null. */
export function share(value) {
  const known = number(value);
  return known === null ? null : Math.min(1, Math.max(0, known));
}

/** `62 %`, or null. */
export const percent = (value) => (share(value) === null ? null : `${Math.round(share(value) * 100)} %`);

/** A number with so many digits and a unit, or null. */
export function amount(value, digits = 0, unit = "") {
  const known = number(value);
  return known === null ? null : `${known.toFixed(digits)}${unit && ` ${unit}`}`;
}

/** `1 face`, `2 faces`. */
export const count = (value, one, many = `${one}s`) => `${value} ${value === 1 ? one : many}`;

/** A length of time: `12 s`, `3 min`, `2 h 5 min`, `4 days`; null if it is not known. */
export function duration(seconds) {
  const known = number(seconds);
  if (known === null) return null;
  const whole = Math.max(0, Math.round(known));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 48 * 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} days`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTES = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const MAX_TIME_S = 8e12; // what a Date can hold

/** Time of day `14:03:20` of UNIX seconds, or null. */
export function clock(ts, seconds = true) {
  const known = number(ts);
  if (known === null || Math.abs(known) > MAX_TIME_S) return null;
  return (seconds ? CLOCK : MINUTES).format(new Date(known * 1000));
}

// The table of device/valence.py; a test compares the two.
export const SIGNS = {
  happy: "positive",
  happiness: "positive",
  joy: "positive",
  angry: "negative",
  anger: "negative",
  contempt: "negative",
  disgust: "negative",
  fear: "negative",
  sad: "negative",
  sadness: "negative",
  neutral: "neutral",
  surprise: "neutral",
};

/** positive, negative or neutral; null for a label that is not in the table. */
export const signOf = (label) => (Object.hasOwn(SIGNS, label.toLowerCase()) ? SIGNS[label.toLowerCase()] : null);

const MAX_UNCERTAIN = 0.5; // share of faces without a label, from which on nothing is said about the mood

/**
 * The valence of a summary or a row of the history; an empty object if it says nothing.
 *
 * With half of the faces not certain, the others do not stand for the group.
 */
export function moodOf({ faces, counts, valence }) {
  const uncertain = number(object(counts).unknown) ?? 0;
  return faces > 0 && uncertain / faces < MAX_UNCERTAIN ? object(valence) : {};
}

/** A label as people say it. */
export const labelWord = (label) => (label === "unknown" ? "not certain" : label);
