// Every string that goes over the wire, once.

/** Baggage keys and span attribute names of a run, in the order in which they are emitted. */
export const RUN_ID = "botanu.run_id";
export const WORKFLOW = "botanu.workflow";
export const EVENT_ID = "botanu.event_id";
export const CUSTOMER_ID = "botanu.customer_id";
export const ENVIRONMENT = "botanu.environment";
export const TENANT_ID = "botanu.tenant_id";
export const PARENT_RUN_ID = "botanu.parent_run_id";
export const ROOT_RUN_ID = "botanu.root_run_id";
export const ATTEMPT = "botanu.attempt";
export const RETRY_OF_RUN_ID = "botanu.retry_of_run_id";
export const DEADLINE = "botanu.deadline";
export const CANCELLED = "botanu.cancelled";
export const STEP = "botanu.step";

/** The keys of a run in the order in which they are emitted. */
export const RUN_KEYS: readonly string[] = [
  RUN_ID,
  WORKFLOW,
  EVENT_ID,
  CUSTOMER_ID,
  ENVIRONMENT,
  TENANT_ID,
  PARENT_RUN_ID,
  ROOT_RUN_ID,
  ATTEMPT,
  RETRY_OF_RUN_ID,
  DEADLINE,
  CANCELLED,
  STEP,
];

/** Attribute of an entry span: the run id of a caller that was not trusted. Never propagated. */
export const UNTRUSTED_RUN_ID = "botanu.untrusted.run_id";

/** Key of the member that carries the run id in `tracestate`. */
export const TRACESTATE_KEY = "botanu";

/** Reserved member of a message body that carries the propagation fields where a medium has no headers. */
export const ENVELOPE_KEY = "_botanu";

/** Names of the propagation fields. */
export const BAGGAGE = "baggage";
export const TRACEPARENT = "traceparent";
export const TRACESTATE = "tracestate";

/** Request headers that are read from trusted callers when baggage lacks the key. The first is a response header too. */
export const RUN_ID_HEADER = "x-botanu-run-id";
export const WORKFLOW_HEADER = "x-botanu-workflow";
export const EVENT_ID_HEADER = "x-botanu-event-id";
export const CUSTOMER_ID_HEADER = "x-botanu-customer-id";
