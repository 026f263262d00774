// The one door to node:sqlite: it is loaded when a store is opened, and says nothing of being experimental.

import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type * as Sqlite from "node:sqlite";
import type { DatabaseSync } from "node:sqlite";

import { CommandError } from "./command-error.ts";
import { SCHEMA, SCHEMA_VERSION } from "./schema.ts";

/** A database that lives in this process only. */
export const IN_MEMORY = ":memory:";

const BUSY_MILLIS = 5000;

/** Opens the store for its one writer and makes it where there is none. Only this user may read it: spans hold customer data. */
export function openForWriting(path: string): DatabaseSync {
  if (path !== IN_MEMORY) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "a", 0o600));
  }
  const database = open(path, false);
  database.exec(`PRAGMA busy_timeout = ${BUSY_MILLIS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA journal_size_limit = ${64 << 20}; PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY;`);
  if (version(database) === 0)
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`);
  checkVersion(database, path);
  return database;
}

/**
 * Opens the store beside its writer.
 *
 * @throws {CommandError} when there is no store at that path, or one of another layout
 */
export function openForReading(path: string): DatabaseSync {
  if (!existsSync(path)) {
    throw new CommandError(
      `no store at ${path}`,
      "start `botanu dev` and send it spans, or name a store with --db FILE",
    );
  }
  const database = open(path, true);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_MILLIS}`);
    checkVersion(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** Undoes a transaction that failed; SQLite itself has undone it after some errors, a full disk among them. */
export function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // There is none any more.
  }
}

function open(path: string, readOnly: boolean): DatabaseSync {
  const sqlite = loadSqlite();
  try {
    return new sqlite.DatabaseSync(path, { readOnly });
  } catch (error) {
    throw new CommandError(
      `cannot open the store ${path}: ${message(error)}`,
      "is it readable by you? --db names another",
    );
  }
}

function checkVersion(database: DatabaseSync, path: string): void {
  let found: number;
  try {
    found = version(database);
  } catch (error) {
    throw new CommandError(`${path} is not a botanu store: ${message(error)}`, "name another file with --db");
  }
  if (found !== SCHEMA_VERSION) {
    throw new CommandError(
      `${path} has the layout ${found}, this version reads ${SCHEMA_VERSION}`,
      "name another file with --db, or remove it",
    );
  }
}

function version(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

/** Node 22 warns when node:sqlite is first loaded; that one warning is held back, every other passes. */
function loadSqlite(): typeof Sqlite {
  const warn = process.emitWarning.bind(process);
  const original = Object.getOwnPropertyDescriptor(process, "emitWarning");
  process.emitWarning = (warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes("SQLite")) warn(warning, ...rest);
  };
  try {
    const sqlite = process.getBuiltinModule("node:sqlite");
    if (sqlite === undefined) {
      throw new CommandError(`this Node (${process.version}) has no node:sqlite`, "use Node 22.13 or later");
    }
    return sqlite;
  } finally {
    if (original !== undefined) Object.defineProperty(process, "emitWarning", original);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
