import { OtlpExportError } from "./error.ts";
import type { Serializer } from "./serializer.ts";

export type HeaderRecord = Readonly<Record<string, string>>;

/** Every option has a default; limits are meant to be lowered at the edge. */
export interface OtlpExporterOptions {
  /** The exact URL. Wins over `endpoint`. User name and password in it are sent as `Authorization` instead. */
  readonly url?: string | undefined;
  /** Base URL: `v1/traces` is appended to its path, its query stays. Default `http://localhost:4318`. */
  readonly endpoint?: string | undefined;
  /** Extra headers, or a function that is asked before every request. `Content-Type` and `Content-Encoding` stay ours. */
  readonly headers?: HeaderRecord | (() => HeaderRecord | Promise<HeaderRecord>) | undefined;
  /** One limit over all attempts of a `send`, in milliseconds. Default 10,000; 0 means none. */
  readonly timeoutMillis?: number | undefined;
  /** Default `gzip`, used for bodies over 4 KiB where the runtime has `CompressionStream`. */
  readonly compression?: "gzip" | "none" | undefined;
  /** Default JSON; `@botanu/otlp/protobuf` has the other one. */
  readonly serializer?: Serializer | undefined;
  /** Default: the global `fetch`, looked up at every request. */
  readonly fetch?: typeof fetch | undefined;
  /** Requests per body, the first included. Default 5; 2 suits the edge. */
  readonly maxAttempts?: number | undefined;
  /** Upper end of the first random delay; it doubles with every attempt. Default 1,000 ms. */
  readonly backoffMillis?: number | undefined;
  /** Where the doubling stops. Default 5,000 ms. */
  readonly maxBackoffMillis?: number | undefined;
  /** Largest body before compression; larger batches are split. Default 64 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Largest reply after decompression. Default 4 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** Spans under way at the same time, over all `send` calls; newer ones are dropped. Default 65,536. */
  readonly maxPendingSpans?: number | undefined;
  /** Bytes of bodies under way at the same time; newer ones are dropped. Default 64 MiB. */
  readonly maxPendingBytes?: number | undefined;
  /** Hears of drops, at most once a minute per reason. */
  readonly diag?: { warn(message: string): void } | undefined;
  /** Epoch milliseconds. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** At least 0, less than 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Default: a timer that does not keep the process alive. */
  readonly sleep?: ((millis: number) => Promise<unknown>) | undefined;
}

/** Where requests go, free of credentials, and the credentials that the URL carried. */
export interface Target {
  readonly url: URL;
  readonly authorization: string | undefined;
  /** Others on the way can read what is sent. */
  readonly exposed: boolean;
}

/**
 * Resolves `url` or `endpoint`.
 * @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
 * @throws OtlpExportError `ERR_OTLP_INVALID_URL`, without the text of the URL
 */
export function resolveTarget(exact: string | undefined, base = "http://localhost:4318"): Target {
  let url: URL;
  try {
    url = new URL(exact ?? base);
    if (!/^https?:$/.test(url.protocol)) throw url;
  } catch {
    throw new OtlpExportError("invalid_url");
  }
  if (exact === undefined) url.pathname = url.pathname.replace(/\/?$/, "/v1/traces");
  const { username, password } = url;
  url.username = url.password = "";
  const userinfo = `${username}:${password}`.replace(/%([\da-f]{2})/gi, (_, byte: string) =>
    String.fromCharCode(parseInt(byte, 16)),
  );
  return {
    url,
    authorization: username || password ? `Basic ${btoa(userinfo)}` : undefined,
    exposed: url.protocol === "http:" && !/^(.+\.)?localhost$|^127(\.\d+){3}$|^\[::1]$/.test(url.hostname),
  };
}
