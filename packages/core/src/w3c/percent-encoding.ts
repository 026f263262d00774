/** UTF-8 to text: invalid bytes become U+FFFD, and a leading U+FEFF stays. */
export function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Percent-decodes ASCII text as UTF-8. A percent sign without two hex digits stays as it is. */
export function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/(?:%[\da-f]{2})+/gi, (sequence) =>
      decodeUtf8(
        Uint8Array.from({ length: sequence.length / 3 }, (_, i) => parseInt(sequence.slice(3 * i + 1, 3 * i + 3), 16)),
      ),
    );
  }
}

/** Percent-encodes text as UTF-8, all but letters, digits and `-_.!~*'()`. A lone surrogate becomes U+FFFD. */
export function percentEncode(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // In unicode mode a surrogate matches only when it is alone.
    return encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"));
  }
}
