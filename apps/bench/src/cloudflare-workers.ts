// Stands in for the module of workerd when a peer's bundle is measured in Node. None of the measured paths reaches it.

export const env = {};
export class WorkerEntrypoint {}
export class DurableObject {}
