import { enable } from "./start.ts";

// A service starts with or without its telemetry.
try {
  enable();
} catch (error) {
  process.emitWarning(`This process is not traced: ${error instanceof Error ? error.message : String(error)}`, {
    type: "BotanuWarning",
  });
}
