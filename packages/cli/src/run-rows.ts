// The rows of a run's tree: what stands in each, without widths and colours.

import { RULE_TEXT } from "./attempts.ts";
import { duration, grouped, shortId } from "./quantities.ts";
import type { AttemptsNode, NestedNode, RunTree, SpanNode, TreeNode } from "./run-tree.ts";
import { type StoredSpan, KIND, attributeText, httpStatus } from "./stored-span.ts";
import { type Interval, covered, mergeIntervals } from "./timeline.ts";
import { httpRequest } from "./trace-index.ts";

/** A row of a span. */
export interface SpanRowText {
  readonly type: "span";
  /** The lines that hang it on its parent. */
  readonly prefix: string;
  readonly node: SpanNode;
  readonly label: string;
}

/** A row that says something about the rows around it. */
export interface NoteText {
  readonly type: "note";
  readonly prefix: string;
  readonly tone: "plain" | "warn" | "bad" | "trace";
  readonly text: string;
}

export type RowText = SpanRowText | NoteText;

// Rows of one name and one service that say nothing new are folded from this many on.
const FOLD_FROM = 6;
const FOLD_SHOWN = 3;
const LINKS_SHOWN = 5;

/**
 * Goes through a tree from top to bottom. With `all`, repeated rows are not folded.
 *
 * @yields each row
 */
export function* runRows(tree: RunTree, all: boolean): Generator<RowText> {
  const linked = new Map<string, StoredSpan>();
  for (const span of spansBelow(tree.roots)) linked.set(`${span.traceId}${span.spanId}`, span);
  const walk = new Walk(linked, tree.gaps, all);
  let trace = "";
  for (const node of tree.roots) {
    const first = node.type === "attempts" ? node.children[0] : node;
    if (first === undefined) continue;
    const { startMs, traceId } = first.span;
    yield* walk.gapsBefore(startMs, "");
    if (traceId !== trace) yield traceNote("", traceId, startMs - tree.startMs);
    trace = traceId;
    yield* walk.node(node, "", "", node.type === "attempts" ? traceId : undefined);
  }
}

class Walk {
  readonly #linked: ReadonlyMap<string, StoredSpan>;
  readonly #gaps: Interval[];
  readonly #all: boolean;

  constructor(linked: ReadonlyMap<string, StoredSpan>, gaps: readonly Interval[], all: boolean) {
    this.#linked = linked;
    this.#gaps = [...gaps];
    this.#all = all;
  }

  /**
   * Says what passed without a span.
   *
   * @yields a row for each gap that ends by then, once
   */
  *gapsBefore(time: number, prefix: string): Generator<RowText> {
    for (let [gap] = this.#gaps; gap !== undefined && gap.end <= time; [gap] = this.#gaps) {
      yield { ...note("plain", `⫽ ${duration(gap.end - gap.start)} in which nothing was recorded`), prefix };
      this.#gaps.shift();
    }
  }

  /**
   * @param trace the trace in which the rows stand; a member of a group that is in another one says so
   * @yields the row of a node, and those below it
   */
  *node(node: TreeNode, prefix: string, below: string, trace?: string): Generator<RowText> {
    if (node.type === "nested") yield nestedNote(node, prefix);
    else if (node.type === "attempts") yield attemptsNote(node, prefix);
    else {
      yield { type: "span", prefix, node, label: spanLabel(node.span) };
      const rail = node.children.length > 0 ? "│ " : "  ";
      if (trace !== undefined && node.span.traceId !== trace)
        yield traceNote(below + rail, node.span.traceId, undefined);
      for (const note of this.#notes(node)) yield { ...note, prefix: below + rail };
    }
    yield* this.#children(node.children, below, node.type === "attempts" ? trace : undefined);
  }

  *#children(children: readonly TreeNode[], below: string, trace: string | undefined): Generator<RowText> {
    const parts = this.#all ? children.map((child) => [child]) : fold(children);
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1;
      const [first] = part;
      if (first === undefined) continue;
      if (trace !== undefined && first.type === "span") yield* this.gapsBefore(first.span.startMs, `${below}│ `);
      if (part.length === 1)
        yield* this.node(first, `${below}${last ? "└ " : "├ "}`, `${below}${last ? "  " : "│ "}`, trace);
      else yield foldNote(part, `${below}${last ? "└ " : "├ "}`);
    }
  }

  *#notes(node: SpanNode): Generator<NoteText> {
    const { span } = node;
    const message = node.failed ? failureText(span) : undefined;
    if (message !== undefined) yield note("bad", message);
    if (node.orphan) yield note("warn", `its parent ${span.parentSpanId} never arrived`);
    if (node.insideRunId !== undefined) yield note("plain", `inside the run ${node.insideRunId}`);
    if (node.skewMs > 0) yield note("warn", `starts ${duration(node.skewMs)} before its parent: clocks differ`);
    for (const { traceId, spanId } of span.links.slice(0, LINKS_SHOWN)) {
      const target = this.#linked.get(`${traceId}${spanId}`);
      const where = traceId === span.traceId ? "" : ` in trace ${traceId}`;
      yield note(
        "plain",
        target === undefined ? `↪ linked to a span${where} outside of this run` : `↪ linked to ${target.name}${where}`,
      );
    }
    const unseen = span.links.length - LINKS_SHOWN;
    if (unseen > 0) yield note("plain", `↪ and ${grouped(unseen)} more links`);
  }
}

/** The name of a span, with the target where the name alone says only the method. */
export function spanLabel(span: StoredSpan): string {
  const request = span.kind === KIND.client ? httpRequest(span) : undefined;
  if (request === undefined || span.name !== request.method) return span.name;
  const port = request.port === undefined ? "" : `:${request.port}`;
  return `${span.name} ${request.host ?? ""}${port}${request.path}`;
}

/** What a failed span failed with, in a word: an HTTP status, the type of the error, or just `error`. */
export function failureWord(span: StoredSpan): string {
  return String(httpStatus(span) ?? attributeText(span, "error.type") ?? "error");
}

function failureText(span: StoredSpan): string | undefined {
  if (span.statusMessage !== "") return span.statusMessage;
  const exception = span.events.find((event) => event.name === "exception")?.attributes;
  const text = exception?.["exception.message"] ?? exception?.["exception.type"];
  return typeof text === "string" && text !== "" ? text : undefined;
}

function note(tone: NoteText["tone"], text: string): NoteText {
  return { type: "note", prefix: "", tone, text };
}

function traceNote(prefix: string, traceId: string, offset: number | undefined): NoteText {
  const at = offset === undefined || offset === 0 ? "" : `  +${duration(offset)}`;
  return { type: "note", prefix, tone: "trace", text: `trace ${traceId}${at}` };
}

function attemptsNote(node: AttemptsNode, prefix: string): NoteText {
  const text = `↻ ${node.children.length} attempts, ${attemptsOutcome(node)} (${RULE_TEXT[node.rule]})`;
  return { ...note("plain", text), prefix };
}

function attemptsOutcome({ children }: AttemptsNode): string {
  const failed = children.filter((child) => child.failed).length;
  if (failed === 0) return "none failed";
  if (failed === children.length) return "all failed";
  return children.at(-1)?.failed === true
    ? `${failed} failed, the last one too`
    : `${failed} failed, then it went through`;
}

function nestedNote(node: NestedNode, prefix: string): NoteText {
  const spans = node.spans === 1 ? "1 span" : `${grouped(node.spans)} spans`;
  return {
    ...note("plain", `⤷ run ${node.runId} inside this one, ${spans} (botanu run ${shortId(node.runId)})`),
    prefix,
  };
}

function foldNote(part: readonly TreeNode[], prefix: string): NoteText {
  const spans = part.flatMap((node) => (node.type === "span" ? node.span : []));
  const time = covered(
    mergeIntervals(spans.map((span) => ({ start: span.startMs, end: span.startMs + Math.max(0, span.durationMs) }))),
  );
  const [first] = spans;
  const name = first === undefined ? "" : spanLabel(first);
  return {
    ...note("plain", `… ${grouped(spans.length)} more of ${name}, ${duration(time)} (--all shows them)`),
    prefix,
  };
}

/** Splits children into single rows and stretches of at least six that look the same. */
function fold(children: readonly TreeNode[]): TreeNode[][] {
  const parts: TreeNode[][] = [];
  for (let index = 0; index < children.length;) {
    const alike = likeness(children[index]);
    let end = index + 1;
    while (alike !== undefined && end < children.length && likeness(children[end]) === alike) end += 1;
    const stretch = children.slice(index, end);
    const shown = stretch.length < FOLD_FROM ? stretch.length : FOLD_SHOWN;
    for (const node of stretch.slice(0, shown)) parts.push([node]);
    if (shown < stretch.length) parts.push(stretch.slice(shown));
    index = end;
  }
  return parts;
}

function likeness(node: TreeNode | undefined): string | undefined {
  if (node?.type !== "span" || node.children.length > 0 || node.failed || node.attempt !== undefined) return undefined;
  if (node.orphan || node.skewMs > 0 || node.span.links.length > 0) return undefined;
  return [node.span.service, spanLabel(node.span), node.carries].join("\n");
}

function* spansBelow(nodes: readonly TreeNode[]): Generator<StoredSpan> {
  for (const node of nodes) {
    if (node.type === "span") yield node.span;
    yield* spansBelow(node.children);
  }
}
