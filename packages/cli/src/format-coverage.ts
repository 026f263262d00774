// The coverage report on a terminal: a line per service, then every cause with what ends it.

import type { CoverageFinding, CoverageReport, ServiceCoverage } from "./coverage.ts";
import { grouped, percent, plural } from "./quantities.ts";
import { type Screen, createPaint, fit, padEnd, padStart, printable, width } from "./terminal.ts";

const METER = 20;

/** The report as text, each line ended. */
export function formatCoverage(
  report: CoverageReport,
  screen: Screen = { columns: 100, paint: createPaint(false) },
): string {
  const { paint } = screen;
  if (report.percent === undefined) return "no spans to report on\n";
  const service = Math.min(
    28,
    report.services.reduce((most, each) => Math.max(most, width(printable(each.service))), 7),
  );
  const head = [
    "service".padEnd(service),
    " ".repeat(METER),
    ...["carries", "by trace", "missing"].map((each) => each.padStart(9)),
  ];
  const lines = [
    paint.dim(head.join("  ")),
    ...report.services.map((each) => serviceLine(each, service, screen)),
    "",
    verdict(report, screen),
    ...report.findings.flatMap((each) => ["", ...findingLines(each, screen)]),
    ...legend(report, screen),
  ];
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

function serviceLine(each: ServiceCoverage, columns: number, { paint }: Screen): string {
  const all = each.carries + each.inherited + each.missing;
  // A meter that is full says 100 %, so it is rounded down like the percentage.
  const full = Math.floor((METER * each.carries) / all);
  const meter = paint.good("━".repeat(full)) + paint.warn("┄".repeat(METER - full));
  const number = (count: number, style: (text: string) => string): string =>
    padStart(count === 0 ? paint.dim("·") : style(grouped(count)), 9);
  return [
    padEnd(fit(printable(each.service), columns), columns),
    meter,
    number(each.carries, (text) => text),
    number(each.inherited, paint.warn),
    number(each.missing, paint.bad),
  ].join("  ");
}

function verdict(report: CoverageReport, { paint }: Screen): string {
  const all = report.carries + report.inherited + report.missing;
  const text = `${percent(report.percent)} of ${plural(all, "span")} carry the run`;
  return report.carries === all ? paint.good(`✓ ${text}`) : paint.warn(`✗ ${text}`);
}

function findingLines(finding: CoverageFinding, { paint, columns }: Screen): string[] {
  const sure = finding.certainty === "fact";
  const sign = sure ? paint.bad("✗") : paint.warn("?");
  const text = `${sure ? "" : "probable: "}${finding.message} (${plural(finding.spans, "span")})`;
  const indent = Math.max(20, columns - 2);
  return [
    ...wrap(printable(text), indent).map((line, index) =>
      index === 0 ? `${sign} ${paint.bold(line)}` : `  ${paint.bold(line)}`,
    ),
    ...wrap(`fix: ${printable(finding.fix)}`, indent).map((line) => `  ${line}`),
    `  ${paint.dim(fit(`e.g. span ${finding.example.spanId} of trace ${finding.example.traceId}`, indent))}`,
  ];
}

function legend(report: CoverageReport, { paint }: Screen): string[] {
  if (report.inherited === 0 && report.missing === 0) return [];
  return [
    "",
    paint.dim("by trace: the span states no run and shares a trace with one"),
    paint.dim("missing:  nothing in its trace states a run"),
  ];
}

/** Breaks at spaces; a word that is longer than a line is left whole, so that it can be copied. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && width(longer) > columns) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
