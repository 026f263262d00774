import { syncBuiltinESMExports } from "node:module";
import type { InstrumentationConfigMap } from "@opentelemetry/auto-instrumentations-node";
import type * as InstrumentationModule from "@opentelemetry/instrumentation";
import type { Instrumentation } from "@opentelemetry/instrumentation";
import type { ListedInstrumentation } from "./instrumentation-list.ts";
import { INSTRUMENTATIONS, requireOf, requireOwn } from "./otel-modules.ts";

/** What the loader needs to know of an instrumentation once it is there. */
interface ModuleDefinition {
  readonly name: string;
  readonly files?: readonly { readonly name: string }[] | undefined;
}

type Patching = Instrumentation & { getModuleDefinitions?: () => readonly ModuleDefinition[] };

/** Options of `InstrumentationLoader`. */
export interface InstrumentationLoaderOptions {
  /** Options of single instrumentations, by package name. */
  readonly configs?: InstrumentationConfigMap | undefined;
  /** Hears of an instrumentation that could not be loaded: the application runs on without it. */
  readonly onFailure?: ((name: string, error: unknown) => void) | undefined;
}

/**
 * Loads instrumentations when what they patch is loaded, instead of all of them at start-up: most services use three
 * of forty, and each costs milliseconds.
 */
export class InstrumentationLoader {
  readonly #listed: readonly ListedInstrumentation[];
  readonly #options: InstrumentationLoaderOptions;
  readonly #waiting = new Map<string, ListedInstrumentation[]>();
  readonly #loaded = new Map<string, Patching>();

  constructor(listed: readonly ListedInstrumentation[], options: InstrumentationLoaderOptions = {}) {
    this.#listed = listed;
    this.#options = options;
    for (const each of listed) {
      for (const name of each.packages) this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), each]);
    }
  }

  /** The packages that some instrumentation waits for. */
  get packages(): ReadonlySet<string> {
    return new Set(this.#waiting.keys());
  }

  /** Loads what patches `packageName`, the first time it is named. */
  load(packageName: string): void {
    const listed = this.#waiting.get(packageName);
    if (listed === undefined) return;
    this.#waiting.delete(packageName);
    for (const each of listed) this.#enable(each);
  }

  /** Patches Node's own modules in place, for `require` and `import` alike. */
  loadBuiltins(): void {
    for (const each of this.#listed) {
      if (each.packages.length > 0) continue;
      this.#enable(each);
      // Instrumentations patch a builtin module when it is first required after them.
      for (const name of each.builtins) requireOwn(name);
    }
    syncBuiltinESMExports();
  }

  /** Loads everything, for a host where nothing tells which package comes next. */
  loadAll(): void {
    for (const name of this.packages) this.load(name);
  }

  /** Patterns for the URLs of the inner files that loaded instrumentations patch. */
  innerFiles(): RegExp[] {
    const definitions = [...this.#loaded.values()].flatMap((each) => each.getModuleDefinitions?.() ?? []);
    return definitions
      .flatMap(({ files }) => files ?? [])
      .map(({ name }) => new RegExp(`/node_modules/${escaped(name)}$`));
  }

  #enable({ name }: ListedInstrumentation): void {
    if (this.#loaded.has(name)) return;
    try {
      const packageName = `@opentelemetry/instrumentation-${name}` as keyof InstrumentationConfigMap;
      const Class = instrumentationClass(requireOf(INSTRUMENTATIONS, packageName));
      const instrumentation = new Class(this.#options.configs?.[packageName] ?? {});
      this.#loaded.set(name, instrumentation);
      const { registerInstrumentations } = requireOwn<typeof InstrumentationModule>("@opentelemetry/instrumentation");
      registerInstrumentations({ instrumentations: [instrumentation] });
    } catch (error) {
      this.#options.onFailure?.(name, error);
    }
  }
}

/** Each package exports one class named after what it instruments. */
function instrumentationClass(exports: Readonly<Record<string, unknown>>): new (config: object) => Patching {
  const name = Object.keys(exports).find(
    (each) => each.endsWith("Instrumentation") && typeof exports[each] === "function",
  );
  if (name === undefined) throw new Error("it exports no instrumentation");
  return exports[name] as new (config: object) => Patching;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
