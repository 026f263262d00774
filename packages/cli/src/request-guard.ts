// Who may talk to a receiver on loopback. Any web page can make a browser send requests to 127.0.0.1, and a name of the
// attacker can be made to point there (DNS rebinding): spans hold customer data, so Host and Origin have to be local.

import type { IncomingMessage } from "node:http";

import { HttpRefusal } from "./http-refusal.ts";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** The addresses that a receiver may be bound to. */
export function isLoopbackAddress(host: string): boolean {
  return LOOPBACK.has(host) || host === "::1";
}

/** @throws {HttpRefusal} with 403 unless the Host is a loopback name with the port of the receiver */
export function checkHost(request: IncomingMessage, port: number): void {
  const { host = "" } = request.headers;
  const [, name = "", given] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
  if (LOOPBACK.has(name) && Number(given ?? 80) === port) return;
  throw new HttpRefusal(
    403,
    `the Host ${JSON.stringify(host)} is not a loopback name with port ${port}: use http://127.0.0.1:${port}`,
  );
}

/**
 * The headers that let a page of a loopback origin send spans; none for a request that does not come from a page.
 *
 * @throws {HttpRefusal} with 403 for any other origin
 */
export function corsHeaders(request: IncomingMessage): Record<string, string> {
  const { origin } = request.headers;
  if (origin === undefined) return {};
  const url = URL.parse(origin);
  const local = url !== null && (LOOPBACK.has(url.hostname) || url.hostname.endsWith(".localhost"));
  if (!local) throw new HttpRefusal(403, `the origin ${JSON.stringify(origin)} is not a loopback origin`);
  return { "access-control-allow-origin": origin, vary: "Origin" };
}

/** The answer to a page that asks before it sends. */
export function preflightHeaders(request: IncomingMessage): Record<string, string> {
  const asked = request.headers["access-control-request-headers"];
  const fromPublic = request.headers["access-control-request-private-network"] === "true";
  return {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": asked ?? "content-type, content-encoding",
    "access-control-max-age": "600",
    ...(fromPublic ? { "access-control-allow-private-network": "true" } : {}),
  };
}
