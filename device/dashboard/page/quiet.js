// Means of history rows, and the moments in which a room was quiet.

import { moodOf, number, object, share } from "./values.js";

const LOW_FACING = 0.5; // mean of `facing` below which the attention of a group counts as low
const MIN_QUIET_S = 10; // shorter moments are not marked
const GAP_STEPS = 1.5; // rows further apart than this have nothing recorded between them

export const QUIET_WORDS = { nobody: "nobody", low: "low attention", silent: "nobody, or no data" };

const isQuiet = (row) => {
  if (number(row.faces) === 0) return "nobody";
  const facing = share(object(row.attention).facing);
  return facing !== null && facing < LOW_FACING ? "low" : null;
};

/**
 * Moments of at least ten seconds: {kind, fromS, toS}.
 *
 * kind: "nobody"; "low" attention; or "silent", without a summary: nobody (of a group: too few) or no device.
 */
export function quietMoments(rows, stepS, toS) {
  const moments = [];
  rows.forEach((row, index) => {
    const endS = index > 0 ? rows[index - 1].t + stepS : row.t;
    if (row.t - endS >= stepS) moments.push({ kind: "silent", fromS: endS, toS: row.t });
    const kind = isQuiet(row);
    const last = moments.at(-1);
    if (kind === null) return;
    if (last && last.kind === kind && row.t - last.toS <= stepS * (GAP_STEPS - 1)) last.toS = row.t + stepS;
    else moments.push({ kind, fromS: row.t, toS: row.t + stepS });
  });
  const endS = rows.length > 0 ? rows.at(-1).t + stepS : toS;
  if (toS - endS >= 2 * stepS) moments.push({ kind: "silent", fromS: endS, toS });
  return moments.filter(({ fromS, toS }) => toS - fromS >= MIN_QUIET_S);
}

/** Rows in stretches without a gap between them. */
export function stretches(rows, stepS) {
  const parts = [];
  for (const row of rows) {
    const last = parts.at(-1)?.at(-1);
    if (last && row.t - last.t <= stepS * GAP_STEPS) parts.at(-1).push(row);
    else parts.push([row]);
  }
  return parts;
}

/** Mean of faces, of the shares of the mood and of `facing`; null where no row has the figure. */
export function meanRows(rows) {
  const mean = (read) => {
    const known = rows.map(read).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  return {
    faces: mean((row) => number(row.faces)) ?? 0,
    positive: mean((row) => share(moodOf(row).positive)),
    neutral: mean((row) => share(moodOf(row).neutral)),
    negative: mean((row) => share(moodOf(row).negative)),
    facing: mean((row) => share(object(row.attention).facing)),
  };
}
