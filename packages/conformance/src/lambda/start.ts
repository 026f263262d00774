// `npm run -s lambda-host`: runs a handler under AWS's runtime client and prints what came of each event, a line of JSON each.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { LambdaHost } from "./lambda-host.ts";

const USAGE = `lambda-host --event FILE [--event FILE …] [--handler FILE[#export]] [--client 4|3] [--backend-delay MS]
           [--remote] [--no-freeze] [--timeout MS]

Runs a Lambda handler under AWS's own runtime client (4, or 3 with callbacks) against a Runtime and Extensions API on loopback.
The process is stopped whenever the platform would freeze it. Prints {event, result | error, responseMs, spans} for each event.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let parsed;
  try {
    const string = { type: "string" } as const;
    const boolean = { type: "boolean" } as const;
    parsed = parseArgs({
      args: [...argv],
      allowNegative: true,
      options: {
        event: { type: "string", multiple: true },
        handler: string,
        client: string,
        "backend-delay": string,
        timeout: string,
        remote: boolean,
        freeze: boolean,
        help: boolean,
      },
    }).values;
    if (parsed.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    const { event: events = [], client = "4", "backend-delay": delay = "0", timeout = "3000" } = parsed;
    if (events.length === 0) throw new Error("no --event");
    if (client !== "3" && client !== "4") throw new Error(`--client is 4 or 3, not ${client}`);
    if (!(Number(delay) >= 0)) throw new Error(`--backend-delay takes milliseconds, not ${delay}`);
    if (!(Number(timeout) > 0)) throw new Error(`--timeout takes milliseconds, not ${timeout}`);
    const read = events.map((file) => ({ file, event: JSON.parse(readFileSync(file, "utf8")) as unknown }));
    return await run(read, {
      handler:
        parsed.handler === undefined ? fileURLToPath(new URL("probe.ts", import.meta.url)) : resolve(parsed.handler),
      client: client === "3" ? 3 : 4,
      backendDelayMillis: Number(delay),
      remote: parsed.remote === true,
      freeze: parsed.freeze !== false,
      timeoutMillis: Number(timeout),
    });
  } catch (error) {
    process.stderr.write(`lambda-host: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
}

type Settings = Parameters<typeof LambdaHost.start>[0] & { readonly timeoutMillis: number };

async function run(events: readonly { file: string; event: unknown }[], settings: Settings): Promise<number> {
  const host = await LambdaHost.start(settings);
  let code = 0;
  try {
    for (const { file, event } of events) {
      const { result, error, responseMs, spans } = await host.invoke(event, settings);
      process.stdout.write(
        `${JSON.stringify({ event: file, ...(error ? { error } : { result }), responseMs, spans })}\n`,
      );
    }
  } catch (error) {
    process.stderr.write(`lambda-host: ${(error as Error).message}\n${host.output}`);
    code = 1;
  } finally {
    await host.close();
  }
  return code;
}
