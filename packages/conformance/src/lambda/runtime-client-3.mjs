// Starts the runtime client 3 as the managed runtime does: with the handler that the environment names.

import { run } from "aws-lambda-ric-3";

await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
