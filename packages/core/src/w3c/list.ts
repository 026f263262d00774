/**
 * The parts of a list between separators, without the whitespace around them, which in HTTP fields is space and tab
 * only. Walks the text once, so that a reader may stop early and no input costs more than its length.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1
 */
export function* splitList(text: string, separator: string): Generator<string> {
  for (let start = 0, end = 0; end < text.length; start = end + 1) {
    end = text.indexOf(separator, start);
    if (end < 0) end = text.length;
    let last = end;
    while (start < last && isWhitespace(text, start)) start++;
    while (start < last && isWhitespace(text, last - 1)) last--;
    yield text.slice(start, last);
  }
}

function isWhitespace(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code === 32 || code === 9;
}
