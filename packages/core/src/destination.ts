import { warnOnce, type Diag } from "./diag.ts";
import { BotanuError } from "./errors.ts";
import { isTrusted } from "./trust.ts";

/**
 * Names hosts: an exact host, with port or without, `*.suffix`, `*`, an expression that is put to the host name, or a
 * predicate of the URL. A predicate that throws, or answers anything but true, says no.
 */
export type HostRule = string | RegExp | ((url: URL) => boolean);

/** Where context may go beyond private hosts. */
export interface DestinationOptions {
  /** Hosts that get baggage, and the run's member of `tracestate`. */
  readonly propagateTo?: HostRule | readonly HostRule[] | undefined;
  /** Hosts that get `traceparent`. */
  readonly traceTo?: HostRule | readonly HostRule[] | undefined;
  /** Where suppressions are reported; default: the one that was set. */
  readonly diag?: Diag | undefined;
}

/** What may be sent to a destination. */
export interface Destination {
  /** Baggage, and the run's member of `tracestate`. */
  readonly baggage: boolean;
  /** `traceparent`, and other members of `tracestate`. */
  readonly trace: boolean;
}

/** Says what may be sent to a URL. */
export type DestinationPolicy = (url: URL) => Destination;

type HostTest = (url: URL, host: string) => boolean;

// Names without dots, IPv4 (no other name ends with a number in a URL), IPv6 with IPv4-mapped, and private suffixes.
// A URL has its host in lower case and its addresses in canonical form.
const PRIVATE_HOST =
  /^([^.[]+|(0|10|127|169\.254|192\.168|172\.(1[6-9]|2\d|3[01]))(\.\d+)+|\[(::1?|f[cd][^:]{2}:.*|fe[89ab][^:]:.*|::ffff:(7f..|a..|a9fe|c0a8|ac1.):.*)])$|\.(local|localhost|internal|svc)$/;

/**
 * Decides what may be sent where: everything to private hosts, elsewhere what the options allow. The first suppression
 * per host is reported, for up to 1,000 hosts.
 *
 * @throws BotanuError ERR_INVALID_OPTION when a rule is neither a host, an expression nor a predicate.
 */
export function createDestinationPolicy(options: DestinationOptions = {}): DestinationPolicy {
  const getsBaggage = createHostTest(options.propagateTo);
  const getsTrace = createHostTest(options.traceTo);
  return (url) => {
    const host = url.hostname.replace(/\.$/, "");
    const isPrivate = PRIVATE_HOST.test(host);
    const baggage = isPrivate || getsBaggage(url, host);
    const trace = isPrivate || getsTrace(url, host);
    if (!baggage || !trace) {
      warnOnce(host, `${host} is not in ${baggage ? "" : "propagateTo "}${trace ? "" : "traceTo"}`, options.diag);
    }
    return { baggage, trace };
  };
}

function createHostTest(rules: HostRule | readonly HostRule[] = []): HostTest {
  const tests = [rules].flat().map(readRule);
  return (url, host) => tests.some((test) => test(url, host));
}

function readRule(rule: HostRule): HostTest {
  if (typeof rule === "function") return (url) => isTrusted(rule, url, false);
  // Unlike test, search neither reads nor moves the lastIndex of an expression.
  if (rule instanceof RegExp) return (_url, host) => host.search(rule) >= 0;
  if (typeof rule !== "string" || !/^(\*$|(\*\.)?[^*/\s]+$)/.test(rule)) {
    throw new BotanuError("ERR_INVALID_OPTION", `no host rule: ${String(rule)}`);
  }
  const name = rule.toLowerCase();
  return (url, host) =>
    name.startsWith("*")
      ? host.endsWith(name.slice(1))
      : name === host || name === `${host}:${url.port || (url.protocol === "http:" ? 80 : 443)}`;
}
