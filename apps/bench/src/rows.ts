/** One line of the result. `ours`, `goal` and the peers are in the same unit; a goal is an upper bound unless the unit says otherwise. */
export interface Row {
  readonly id: string;
  readonly unit: string;
  readonly ours: number;
  readonly goal: number;
  /** Whether more is better, as for deliveries. */
  readonly atLeast?: boolean;
  readonly peers: Readonly<Record<string, number>>;
}

export function holds(row: Row): boolean {
  return row.atLeast === true ? row.ours >= row.goal : row.ours <= row.goal;
}

/** One Markdown table, with the machine and the date, so that a figure is never quoted without either. */
export function markdown(rows: readonly Row[], machine: string, date: string): string {
  const lines = rows.map((row) => {
    const peers = Object.entries(row.peers).map(([name, value]) => `${name} ${shown(value)}`);
    const goal = `${row.atLeast === true ? "≥" : "≤"} ${shown(row.goal)}`;
    return `| ${row.id} | ${row.unit} | **${shown(row.ours)}** | ${goal} | ${holds(row) ? "yes" : "**no**"} | ${peers.join(", ")} |`;
  });
  return [
    `Measured ${date} on ${machine}.`,
    "",
    "| what | unit | ours | goal | holds | peers |",
    "| --- | --- | --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}
