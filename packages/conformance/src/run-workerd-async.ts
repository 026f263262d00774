// The same Worker with the entry that fetches the asynchronous store where a host has it as a module only.

import "@botanu/core/async";

export { default } from "./run-workerd.ts";
