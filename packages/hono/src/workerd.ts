// What `@botanu/hono` is under the condition `workerd`: no batching, no host that traces, and AsyncLocalStorage wherever the
// Worker's compatibility flags give one.

import "@botanu/core/async";
import { type Botanu, createBotanu } from "./middleware.ts";

export type { Botanu, BotanuEnv, BotanuOptions } from "./middleware.ts";

/** See the package's README. Spans of a request leave in one export, after the response, in `waitUntil`. */
export const botanu: Botanu = /* @__PURE__ */ createBotanu({});
