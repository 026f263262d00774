// What a terminal can show: width, colour, and text that cannot take it over.

import { styleText } from "node:util";

/** Styles are asked for by meaning; without colour they all give the text back. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  /** The same colour for the same name, in one output. */
  readonly service: (name: string, text?: string) => string;
}

/** Where text goes, and what it may look like there. */
export interface Screen {
  readonly columns: number;
  readonly paint: Paint;
}

const DEFAULT_COLUMNS = 100;
const MIN_COLUMNS = 40;
const MAX_COLUMNS = 160;
const SERVICE_COLOURS = [
  "cyan",
  "magenta",
  "blue",
  "green",
  "yellow",
  "cyanBright",
  "magentaBright",
  "blueBright",
] as const;

/** The screen of a stream: its width, and colour unless the environment or a pipe speaks against it. */
export function screenOf(
  stream: { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Screen {
  const columns = stream.columns ?? (Number(env["COLUMNS"]) || DEFAULT_COLUMNS);
  return {
    columns: Math.max(MIN_COLUMNS, Math.min(MAX_COLUMNS, columns)),
    paint: createPaint(wantsColour(stream.isTTY === true, env)),
  };
}

/** FORCE_COLOR decides before NO_COLOR (https://no-color.org), as in Node itself; else colour is for terminals. */
export function wantsColour(isTTY: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  const force = env["FORCE_COLOR"];
  if (force !== undefined) return force !== "0" && force !== "false";
  if (env["NO_COLOR"] || env["NODE_DISABLE_COLORS"] || env["TERM"] === "dumb") return false;
  return isTTY;
}

export function createPaint(colour: boolean): Paint {
  type Format = Parameters<typeof styleText>[0];
  const style = (format: Format) => (text: string) =>
    colour && text !== "" ? styleText(format, text, { validateStream: false }) : text;
  const given = new Map<string, (text: string) => string>();
  return {
    bold: style("bold"),
    dim: style("dim"),
    good: style("green"),
    bad: style("red"),
    warn: style("yellow"),
    service(name, text = name) {
      let paint = given.get(name);
      if (paint === undefined) {
        paint = style(SERVICE_COLOURS[given.size % SERVICE_COLOURS.length] ?? "cyan");
        given.set(name, paint);
      }
      return paint(text);
    },
  };
}

// Control characters of both sets, line separators, direction marks and lone surrogates: what could move the cursor,
// change colours, fake a line or turn text around.
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
// oxlint-disable-next-line no-control-regex
const STYLES = /\u001b\[[\d;]*m/g;

/** Text that came with a span, safe to print: what is unsafe is written out as `\u{1b}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Columns that a text takes, styles not counted. */
export function width(text: string): number {
  let columns = 0;
  for (const char of text.replace(STYLES, "")) columns += NO_WIDTH.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return columns;
}

/** Cuts a text without styles to a width; an ellipsis stands for what is left out. */
export function fit(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let cut = "";
  let used = 0;
  for (const char of text) {
    const wide = width(char);
    if (used + wide > columns - 1) break;
    cut += char;
    used += wide;
  }
  return columns > 0 ? `${cut}…` : "";
}

/** Fills a text, styled or not, to a width on the right. */
export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

/** Fills a text, styled or not, to a width on the left. */
export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - width(text))) + text;
}
