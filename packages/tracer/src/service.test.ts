import { describe, expect, it } from "vitest";
import { serviceAttributes, type ServiceOptions, type Variables } from "./service.ts";
import type { Attributes } from "./types.ts";

describe("serviceAttributes", () => {
  it.each<[string, ServiceOptions, Variables, Attributes]>([
    ["nothing", {}, {}, {}],
    [
      "code",
      { serviceName: "a", serviceVersion: "1", serviceNamespace: "n", environment: "e" },
      {},
      { "service.name": "a", "service.version": "1", "service.namespace": "n", "deployment.environment.name": "e" },
    ],
    [
      "variables",
      {},
      { OTEL_SERVICE_NAME: "a", BOTANU_ENVIRONMENT: "e" },
      { "service.name": "a", "deployment.environment.name": "e" },
    ],
    [
      "a list",
      {},
      { OTEL_RESOURCE_ATTRIBUTES: "service.name=a, team = blue%2Cred ,," },
      { "service.name": "a", team: "blue,red" },
    ],
    [
      "its own variable over the list",
      {},
      { OTEL_SERVICE_NAME: "a", OTEL_RESOURCE_ATTRIBUTES: "service.name=b,x=y" },
      { "service.name": "a", x: "y" },
    ],
    [
      "code over variables",
      { serviceName: "a", environment: "e" },
      { OTEL_SERVICE_NAME: "b", BOTANU_ENVIRONMENT: "f" },
      { "service.name": "a", "deployment.environment.name": "e" },
    ],
    [
      "more attributes over variables",
      { resource: { "service.name": "a", n: 1 } },
      { OTEL_SERVICE_NAME: "b" },
      { "service.name": "a", n: 1 },
    ],
    ["an empty variable as none", { environment: "" }, { BOTANU_ENVIRONMENT: "", OTEL_SERVICE_NAME: "" }, {}],
    ["a binding that is no text as none", {}, { OTEL_SERVICE_NAME: { fetch: 1 }, OTEL_RESOURCE_ATTRIBUTES: 7 }, {}],
    ["nothing of a list with a bad pair", {}, { OTEL_RESOURCE_ATTRIBUTES: "a=b,c" }, {}],
    ["nothing of a list with too many signs", {}, { OTEL_RESOURCE_ATTRIBUTES: "a=b=c" }, {}],
    ["nothing of a list with a bad escape", {}, { OTEL_RESOURCE_ATTRIBUTES: "a=%E0%A4" }, {}],
    ["nothing of a list with a nameless pair", {}, { OTEL_RESOURCE_ATTRIBUTES: "=b" }, {}],
  ])("takes %s", (_, options, variables, expected) => {
    expect(serviceAttributes(options, variables)).toEqual(expected);
  });

  it("lets everybody win over the host", () => {
    const host = { "cloud.provider": "cloudflare", "service.name": "host" };
    expect(serviceAttributes({}, { OTEL_RESOURCE_ATTRIBUTES: "cloud.provider=moved" }, host)).toEqual({
      "cloud.provider": "moved",
      "service.name": "host",
    });
  });
});
