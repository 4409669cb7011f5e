/**
 * Splits a command line into words, as a shell does for plain words and quotes; nothing is expanded.
 *
 * @param text The command line.
 * @returns Its words.
 * @throws {TypeError} when a quote is not closed.
 */
export function commandWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]!;
    if (letter === '"' || letter === "'") {
      const end = text.indexOf(letter, i + 1);
      if (end < 0) throw new TypeError(`Cannot split command as its quotes must be closed: current value is ${text}`);
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + letter;
  }
  if (word !== undefined) words.push(word);
  return words;
}
