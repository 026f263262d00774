// The pattern of the route that a request took. Express keeps the actual path of mounts, and forgets it on the way to an error
// handler: so both are read as the router sets them.

import type { Request } from "express";

/** A router sets these on each request. */
interface Routed {
  /** Undefined outside the app. */
  baseUrl: string | undefined;
  route: { path: unknown } | undefined;
  params: Record<string, unknown> | undefined;
}

/**
 * Tells the pattern of each route that `req` enters, mounts included: `/orders/:id/items`. The router's own fields keep their values;
 * they become accessors on this one request.
 */
export function watchRoute(req: Request, entered: (pattern: string) => void): void {
  const routed = req as unknown as Routed;
  // Patterns of the mounts that the request is in, by the path that each has taken so far.
  const mounts = new Map<string, string>();
  const patternOf = (base = ""): string => mounts.get(base) ?? base;
  watch(routed, "baseUrl", (to = "", from = "") => {
    if (to.length <= from.length || !to.startsWith(from)) return;
    mounts.set(to, patternOf(from) + mountPattern(to.slice(from.length), routed.params));
  });
  watch(routed, "route", (route) => {
    if (!route) return;
    const mount = patternOf(routed.baseUrl);
    const path = pathText(route.path);
    entered(mount && path === "/" ? mount : mount + path);
  });
}

function watch<K extends "baseUrl" | "route">(
  routed: Routed,
  key: K,
  changed: (to: Routed[K], from: Routed[K]) => void,
): void {
  let value = routed[key];
  Object.defineProperty(routed, key, {
    get: () => value,
    set(to: Routed[K]) {
      const from = value;
      value = to;
      try {
        changed(to, from);
      } catch {
        // The router is not to notice that somebody looks.
      }
    },
    enumerable: true,
    configurable: true,
  });
}

/** A route may have several paths, and a path may be an expression. */
function pathText(path: unknown): string {
  return Array.isArray(path) ? path.map(String).join("|") : String(path);
}

/** The path of a mount with the values of its parameters replaced by their names, the last of equal ones first. */
function mountPattern(path: string, params: Record<string, unknown> = {}): string {
  let pattern = decode(path);
  for (const [name, value] of Object.entries(params).toReversed()) {
    const text = Array.isArray(value) ? value.join("/") : String(value);
    if (!text) continue;
    const whole = `${pattern}/`.lastIndexOf(`/${text}/`);
    const at = whole < 0 ? pattern.lastIndexOf(text) : whole + 1;
    if (at >= 0) pattern = `${pattern.slice(0, at)}:${name}${pattern.slice(at + text.length)}`;
  }
  return pattern;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
