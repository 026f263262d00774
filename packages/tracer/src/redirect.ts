// What `redirect: "follow"` does, by hand: a redirect that the host follows would take our headers wherever it leads.

/** A request about to be sent: once, or again to where a redirect points. */
export interface OutgoingRequest {
  readonly url: URL;
  readonly method: string;
  /** The caller's own headers, less those that a redirect took away, and what was added for this request. */
  readonly headers: Headers;
  readonly added: string[];
  /** What to call `fetch` with, but for the headers. */
  readonly input: RequestInfo | URL;
  readonly init: RequestInit;
  readonly follow: boolean;
  /** 0 for the request that the caller made. */
  readonly resends: number;
  /** The body that a resend takes along; undefined when it cannot be had again. */
  readonly replay: () => Promise<BodyInit | null | undefined>;
}

const REDIRECTS = /* @__PURE__ */ new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 20;
const MAX_REPLAY_BYTES = 65_536;

/** Reads what a caller hands to `fetch`; undefined for what is no HTTP, or no request at all. */
export function describeRequest(input: RequestInfo | URL, init?: RequestInit): OutgoingRequest | undefined {
  try {
    const request = typeof input === "object" && "url" in input ? input : undefined;
    const url = new URL(request?.url ?? (input as string | URL), globalThis.location?.href);
    if (!/^https?:$/.test(url.protocol)) return undefined;
    // A page never sees where a redirect points, so there the browser has to follow it.
    const follow = (init?.redirect ?? request?.redirect ?? "follow") === "follow" && !("document" in globalThis);
    const method = init?.method ?? request?.method ?? "GET";
    const copy = copyInit(init);
    if (follow) copy.redirect = "manual";
    return {
      url,
      method: /^(?:delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method,
      headers: new Headers(init?.headers ?? request?.headers),
      added: [],
      input,
      init: copy,
      follow,
      resends: 0,
      replay: follow ? keepBody(request, init) : noBody,
    };
  } catch {
    // `fetch` says in its own words what is wrong.
    return undefined;
  }
}

/** A request is a valid init too, and has its members as accessors of its prototype. */
function copyInit(init: object | undefined): RequestInit {
  const copy: Record<string, unknown> = {};
  for (const key in init) copy[key] = init[key as keyof typeof init];
  return copy;
}

const noBody = async (): Promise<null> => null;

function keepBody(request: Request | undefined, init: RequestInit | undefined): OutgoingRequest["replay"] {
  const body = init?.body;
  if (body != null) {
    const isStream = typeof body === "object" && ("getReader" in body || Symbol.asyncIterator in body);
    return async () => (isStream ? undefined : body);
  }
  if (!request?.body) return noBody;
  // A body of known length came over a connection and streams through; what was made here is small or a stream.
  const copy = request.headers.has("content-length") ? undefined : request.clone().body;
  const bytes = copy ? readBytes(copy) : Promise.resolve(undefined);
  return () => bytes;
}

async function readBytes(body: ReadableStream<Uint8Array>): Promise<Blob | undefined> {
  try {
    const chunks: BlobPart[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > MAX_REPLAY_BYTES) return undefined;
      chunks.push(chunk as BlobPart);
    }
    return new Blob(chunks);
  } catch {
    return undefined;
  }
}

/**
 * The request that a redirect asks for; undefined when the response is the answer.
 * @throws TypeError where `fetch` would fail.
 * @see https://fetch.spec.whatwg.org/#http-redirect-fetch
 */
export async function followRedirect(sent: OutgoingRequest, response: Response): Promise<OutgoingRequest | undefined> {
  const { status } = response;
  if (!sent.follow || !REDIRECTS.has(status)) return undefined;
  const location = response.headers.get("location");
  if (location === null) return undefined;
  response.body?.cancel().catch(() => undefined);
  const url = resolveLocation(location, sent.url);
  if (sent.resends >= MAX_REDIRECTS) throw fetchFailed("redirect count exceeded");

  const toGet = status === 303 ? !/^(?:GET|HEAD)$/.test(sent.method) : status < 303 && sent.method === "POST";
  const body = toGet ? null : await sent.replay();
  if (body === undefined) throw fetchFailed("request body cannot be sent again");
  const headers = new Headers(sent.headers);
  for (const name of sent.added) headers.delete(name);
  if (toGet)
    for (const name of ["encoding", "language", "length", "location", "type"]) headers.delete(`content-${name}`);
  if (url.origin !== sent.url.origin) {
    for (const name of ["authorization", "cookie", "host", "proxy-authorization"]) headers.delete(name);
  }
  const method = toGet ? "GET" : sent.method;
  const base = sent.resends === 0 && typeof sent.input === "object" && "url" in sent.input ? copyInit(sent.input) : {};
  return {
    ...sent,
    url,
    method,
    headers,
    added: [],
    input: url.href,
    init: { ...base, ...sent.init, method, body },
    resends: sent.resends + 1,
    replay: toGet ? noBody : sent.replay,
  };
}

function resolveLocation(location: string, base: URL): URL {
  try {
    const url = new URL(decodeLocation(location), base);
    url.hash ||= base.hash;
    if (/^https?:$/.test(url.protocol)) return url;
  } catch {
    // Not a URL.
  }
  throw fetchFailed("invalid redirect URL");
}

/** Some hosts give header values byte by byte, where the server meant UTF-8. `escape` gives such bytes back, and no others. */
function decodeLocation(location: string): string {
  try {
    return decodeURIComponent(escape(location));
  } catch {
    return location;
  }
}

function fetchFailed(reason: string): TypeError {
  return new TypeError("fetch failed", { cause: new Error(reason) });
}
