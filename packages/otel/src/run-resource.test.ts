import { defaultResource, type Resource } from "@opentelemetry/resources";
import { describe, expect, it } from "vitest";
import { runResource } from "./run-resource.ts";

describe("runResource", () => {
  const env = {
    OTEL_SERVICE_NAME: "from-name",
    BOTANU_ENVIRONMENT: "staging",
    OTEL_RESOURCE_ATTRIBUTES:
      "service.name=from-attributes,service.version=1%2C2, team = a%3Db ,deployment.environment.name=dev",
  };

  it("lets code win over variables, and single variables over the list", () => {
    expect(runResource({ env }).attributes).toMatchObject({
      "service.name": "from-name",
      "service.version": "1,2",
      team: "a=b",
      "deployment.environment.name": "staging",
      "telemetry.distro.name": "botanu",
    });
    expect(
      runResource({
        env,
        serviceName: "code",
        serviceVersion: "3",
        serviceNamespace: "shop",
        environment: "production",
      }).attributes,
    ).toMatchObject({
      "service.name": "code",
      "service.version": "3",
      "service.namespace": "shop",
      "deployment.environment.name": "production",
    });
    expect(runResource({ env, attributes: { team: "b", "service.name": "attributes" } }).attributes).toMatchObject({
      team: "b",
      "service.name": "attributes",
    });
  });

  it.each(["a", "a=b=c", "=b", "a=%", "a=b,c"])("discards a malformed list as a whole and says so: %s", (text) => {
    const warnings: string[] = [];
    const resource = runResource({
      env: { OTEL_RESOURCE_ATTRIBUTES: `x=1,${text}` },
      warn: (message) => warnings.push(message),
    });
    expect(Object.keys(resource.attributes).toSorted()).toEqual(["telemetry.distro.name", "telemetry.distro.version"]);
    expect(warnings).toHaveLength(1);
  });

  it("merges into the SDK's own, whose telemetry.sdk attributes stay", () => {
    const merged = defaultResource().merge(runResource({ env, serviceName: "shop" }) as Resource);
    expect(merged.attributes).toMatchObject({
      "service.name": "shop",
      "telemetry.sdk.name": "opentelemetry",
      "telemetry.distro.name": "botanu",
    });
  });
});
