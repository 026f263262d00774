export { enable, type Enabled, type EnableOptions } from "./start.ts";
