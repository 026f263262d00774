// The vectors as typed data. The files hold nothing but rows, so that another implementation can read them too.

import type { RunContext } from "@botanu/core";

import baggageFile from "../vectors/baggage.json" with { type: "json" };
import destinationFile from "../vectors/destination.json" with { type: "json" };
import extractFile from "../vectors/extract.json" with { type: "json" };
import injectFile from "../vectors/inject.json" with { type: "json" };
import pythonFile from "../vectors/python-sdk.json" with { type: "json" };
import runIdFile from "../vectors/run-id.json" with { type: "json" };
import traceparentFile from "../vectors/traceparent.json" with { type: "json" };
import tracestateFile from "../vectors/tracestate.json" with { type: "json" };

/** A text, or its parts; a part `[text, n]` stands for the text n times, so that long inputs stay readable. */
export type Text = string | readonly (string | readonly [string, number])[];

export interface SpanContextRow {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly tracestate?: string;
}

export interface MemberRow {
  readonly key: string;
  readonly value: Text;
  readonly properties?: readonly { readonly key: string; readonly value?: string }[];
}

export interface ExtractRow {
  readonly title: string;
  readonly carrier: Readonly<Record<string, unknown>>;
  readonly trust?: boolean;
  readonly expect: {
    /** The whole run, or null for none. */
    readonly run?: RunContext | null;
    /** The run by its id alone. */
    readonly runId?: string;
    readonly untrustedRunId?: string;
    readonly traceId?: string | null;
    readonly spanId?: string;
    readonly traceFlags?: number;
    readonly tracestate?: string;
    readonly foreign?: readonly string[];
  };
}

export interface InjectRow {
  readonly title: string;
  readonly propagation: {
    readonly spanContext?: SpanContextRow;
    readonly run?: RunContext;
    readonly baggage?: readonly Text[];
    /** Stands for `baggage` of so many members `f0=1`, `f1=1`, … */
    readonly foreignCount?: number;
  };
  readonly expect?: Readonly<Record<string, string>>;
  readonly decoded?: Readonly<Record<string, string>>;
  readonly forbidden?: readonly string[];
  readonly members?: number;
  readonly lastMember?: string;
  readonly startsWith?: string;
  readonly maxBytes?: number;
}

interface TraceparentFile {
  readonly parse: readonly { readonly title: string; readonly header: Text; readonly expect: SpanContextRow | null }[];
  readonly format: readonly { readonly title: string; readonly context: SpanContextRow; readonly expect: string }[];
}

interface TracestateFile {
  readonly parse: readonly {
    readonly title: string;
    readonly header: Text;
    readonly expect?: readonly (readonly [Text, Text])[] | null;
    readonly count?: number;
  }[];
  readonly duplicates: {
    readonly title: string;
    readonly header: string;
    readonly key: string;
    readonly value: string;
  };
  readonly set: readonly {
    readonly title: string;
    readonly header: string;
    readonly set: readonly (readonly [string, string])[];
    readonly expect: string;
  }[];
  readonly unset: readonly {
    readonly title: string;
    readonly header: string;
    readonly unset: string;
    readonly expect: string;
  }[];
}

interface BaggageFile {
  readonly parse: readonly { readonly title: string; readonly header: Text; readonly expect: readonly MemberRow[] }[];
  readonly format: readonly {
    readonly title: string;
    readonly members: readonly MemberRow[];
    readonly expect: string;
  }[];
  readonly roundTrip: readonly string[];
}

export interface DestinationRow {
  readonly title: string;
  readonly url: string;
  readonly options?: {
    readonly propagateTo?: string | readonly string[];
    readonly traceTo?: string | readonly string[];
  };
  readonly baggage: boolean;
  readonly trace: boolean;
}

// The compiler sees each file as the union of its rows' literal types; what a row may hold is said above instead.
export const traceparent = traceparentFile as unknown as TraceparentFile;
export const tracestate = tracestateFile as unknown as TracestateFile;
export const baggage = baggageFile as unknown as BaggageFile;
export const runIds = runIdFile as unknown as readonly {
  readonly title: string;
  readonly text: unknown;
  readonly expect: string | null;
}[];
export const extractRows = extractFile as unknown as readonly ExtractRow[];
export const pythonRows = pythonFile as unknown as readonly ExtractRow[];
export const injectRows = injectFile as unknown as readonly InjectRow[];
export const destinations = destinationFile as unknown as readonly DestinationRow[];

/** Writes a text out. */
export function text(parts: Text): string {
  if (typeof parts === "string") return parts;
  return parts.map((part) => (typeof part === "string" ? part : part[0].repeat(part[1]))).join("");
}
