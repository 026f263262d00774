// Our Lambda adapter as its README shows it.

import { botanuHandler } from "@botanu/lambda";

export const handler = botanuHandler({ workflow: "order" }, async (event: unknown): Promise<unknown> => ({ event }));
