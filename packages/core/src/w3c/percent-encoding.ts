let decoder: TextDecoder | undefined;

/** UTF-8 to text: invalid bytes become U+FFFD, and a leading U+FEFF stays. */
export function decodeUtf8(bytes: Uint8Array): string {
  decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
  return decoder.decode(bytes);
}

/** Percent-decodes ASCII text as UTF-8. A percent sign without two hex digits stays as it is. */
export function percentDecode(text: string): string {
  return text.includes("%") ? text.replace(/(?:%[\da-f]{2})+/gi, decodeSequence) : text;
}

function decodeSequence(sequence: string): string {
  const bytes = new Uint8Array(sequence.length / 3);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(sequence.slice(3 * i + 1, 3 * i + 3), 16);
  return decodeUtf8(bytes);
}

/** Percent-encodes text as UTF-8, all but letters, digits and `-_.!~*'()`. A lone surrogate becomes U+FFFD. */
export function percentEncode(text: string): string {
  // In unicode mode a surrogate matches only when it is alone, which is all that encodeURIComponent throws on.
  return /[^\w.!~*'()-]/.test(text) ? encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd")) : text;
}
