// Stands in for the one native module of AWS's runtime client, `rapid-client.node`, so that no compiler is needed. Preloaded with
// `--require`; everything else is the client's own code. Like the native one it asks for the next invocation only when the answer
// before is posted.

const { request } = require("node:http");
const Module = require("node:module");

const [hostname, port] = (process.env.AWS_LAMBDA_RUNTIME_API ?? "").split(":");
let posted = Promise.resolve();

function ask(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path: `/2018-06-01/runtime/${path}`, headers }, (incoming) => {
      const chunks = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.on("end", () =>
        resolve({ bodyJson: Buffer.concat(chunks).toString(), headers: incoming.headers, status: incoming.statusCode }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const client = {
  next: async () => {
    await posted;
    return ask("GET", "invocation/next", {});
  },
  done(id, body) {
    posted = ask("POST", `invocation/${id}/response`, { "content-type": "application/json" }, body);
  },
  error(id, body, xrayCause) {
    const headers = { "content-type": "application/json", "lambda-runtime-function-xray-error-cause": xrayCause };
    posted = ask("POST", `invocation/${id}/error`, headers, body);
  },
  initializeClient() {},
};

const load = Module._load;
Module._load = function (name, ...rest) {
  return name.endsWith("rapid-client.node") ? client : load.call(this, name, ...rest);
};
