import { diag, type Diag } from "./diag.ts";
import { BotanuError } from "./errors.ts";

/** Names hosts: an exact host (with port or without), `*.suffix`, `*`, an expression on the host name, or a predicate. */
export type HostRule = string | RegExp | ((url: URL) => boolean);

export interface DestinationOptions {
  /** Hosts beyond the private ones that get baggage and the run in `tracestate`. */
  readonly propagateTo?: HostRule | readonly HostRule[] | undefined;
  /** Hosts beyond the private ones that get `traceparent`. */
  readonly traceTo?: HostRule | readonly HostRule[] | undefined;
  readonly diag?: Diag | undefined;
}

/** What may be sent to a destination. */
export interface Destination {
  /** Baggage, and the run in `tracestate`. */
  readonly baggage: boolean;
  /** `traceparent`. */
  readonly trace: boolean;
}

export type DestinationPolicy = (url: URL) => Destination;

const MAX_REPORTED = 100;

const PRIVATE_HOST =
  /^(?:[^.[]+|(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d+)+|\[(?:::1?|f[cd][^:]{2}:.*|fe[89ab][^:]:.*|::ffff:(?:7f..|a..|a9fe|c0a8|ac1.):.*)\])$|\.(?:local|localhost|internal|svc)$/;

/**
 * Decides what may be sent where: everything to private hosts and to those that the options name, nothing elsewhere.
 * The first suppression per host is reported, for up to 100 hosts.
 *
 * @throws BotanuError ERR_INVALID_OPTION when a rule is neither a host, an expression nor a predicate.
 */
export function createDestinationPolicy(options: DestinationOptions = {}): DestinationPolicy {
  const propagateTo = readRules(options.propagateTo);
  const traceTo = readRules(options.traceTo);
  const reported = new Set<string>();
  return (url) => {
    const host = url.hostname.replace(/\.$/, "");
    const isPrivate = PRIVATE_HOST.test(host);
    const allows = (rules: readonly HostRule[]): boolean => isPrivate || rules.some((rule) => matches(rule, url, host));
    const destination = { baggage: allows(propagateTo), trace: allows(traceTo) };
    if (!(destination.baggage && destination.trace) && reported.size < MAX_REPORTED && !reported.has(host)) {
      reported.add(host);
      const names = [destination.baggage ? [] : "propagateTo", destination.trace ? [] : "traceTo"].flat();
      (options.diag ?? diag()).warn(`${host} is not in ${names.join(", ")}`);
    }
    return destination;
  };
}

function readRules(rules: HostRule | readonly HostRule[] = []): readonly HostRule[] {
  return [rules].flat().map((rule: HostRule) => {
    if (typeof rule === "string" && /^(?:\*|(?:\*\.)?[^*/\s]+)$/.test(rule)) return rule.toLowerCase();
    if (typeof rule === "function" || rule instanceof RegExp) return rule;
    throw new BotanuError("ERR_INVALID_OPTION", `not a host rule: ${String(rule)}`);
  });
}

function matches(rule: HostRule, url: URL, host: string): boolean {
  if (typeof rule === "function") {
    try {
      return rule(url) === true;
    } catch {
      return false;
    }
  }
  // search neither reads nor moves the lastIndex of an expression.
  if (rule instanceof RegExp) return host.search(rule) >= 0;
  if (rule.startsWith("*.")) return host.endsWith(rule.slice(1));
  return rule === "*" || rule === host || rule === `${host}:${url.port}`;
}
