/**
 * The parts of a list between separators, without the whitespace around them. One walk over the text, whatever it is.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1
 */
export function splitList(text: string, separator: string): string[] {
  const parts: string[] = [];
  for (let start = 0, end = 0; start <= text.length; start = end + 1) {
    end = text.indexOf(separator, start);
    if (end < 0) end = text.length;
    parts.push(trimWhitespace(text.slice(start, end)));
  }
  return parts;
}

/** A text without the whitespace at its ends, which in HTTP fields is space and tab only. */
export function trimWhitespace(text: string): string {
  let start = 0;
  let end = text.length;
  while (isWhitespace(text.charCodeAt(start))) start++;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return end - start < text.length ? text.slice(start, end) : text;
}

function isWhitespace(code: number): boolean {
  return code === 32 || code === 9;
}
