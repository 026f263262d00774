/**
 * Milliseconds to wait, from digits or an HTTP-date; a date in the past is 0. Anything else is `undefined`: date parsers accept
 * nearly every text, so the form is checked first.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = /^\D+\d.+:.+GMT$/.test(value) ? Date.parse(value) - now : NaN;
  return date >= 0 ? date : date < 0 ? 0 : undefined;
}
